from dropnet_core.basics.progress import Bar


def show() -> None:
    with Bar("mine", 3) as bar:
        bar.cycle(4, 0.425, 0.9321)
        bar.finished(2)


def test_the_bar_shows_runs_cycle_and_accuracy(capsys, monkeypatch):
    monkeypatch.delenv("DROPNET_QUIET", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    show()
    shown = capsys.readouterr().err
    for words in ("mine", "2/3", "cycle 4: 0.425 remaining, test accuracy 0.932"):
        assert words in shown


def test_quiet_is_quiet(capsys, monkeypatch):
    monkeypatch.setenv("DROPNET_QUIET", "1")
    show()
    assert capsys.readouterr().err == ""
