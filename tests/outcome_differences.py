"""How far two outcomes of one job lie apart."""

from dropnet_core.training import History, Outcome

HISTORY = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def difference(a: Outcome, b: Outcome) -> float:
    """The largest difference of any number of two outcomes that have the same epochs."""
    pairs = [
        (x, y) for name in HISTORY for x, y in zip(getattr(a.history, name), getattr(b.history, name), strict=True)
    ]
    pairs += [(a.test_loss, b.test_loss), (a.test_accuracy, b.test_accuracy)]
    pairs += [(a.best_test_accuracy, b.best_test_accuracy)]
    assert a.statistics.keys() == b.statistics.keys()
    for name, layers in a.statistics.items():
        for x, y in zip(layers, b.statistics[name], strict=True):
            pairs += zip(x.tolist(), y.tolist(), strict=True)
    return max(abs(x - y) for x, y in pairs)


def gaps(a: Outcome, b: Outcome) -> tuple[float, float]:
    """The largest difference of losses and means of two outcomes, and that of their shares: accuracies and zeros.

    A value that is 0 or nearly, or two classes that are equal or nearly, make rounding count one image more or less.
    """
    assert a.history.epochs == b.history.epochs

    def only(outcome: Outcome, words: tuple[str, ...]) -> Outcome:
        parts = {name: getattr(outcome.history, name) for name in HISTORY}
        parts = {name: values if name.endswith(words) else [] for name, values in parts.items()}
        scalars = {n: getattr(outcome, n) * n.endswith(words) for n in ("test_loss", "test_accuracy")}
        best = outcome.best_test_accuracy * ("accuracy" in words)
        statistics = {n: v for n, v in outcome.statistics.items() if ("accuracy" in words) == n.startswith("zero")}
        return Outcome(History(**parts), **scalars, best_test_accuracy=best, statistics=statistics)

    smooth, counted = (difference(only(a, words), only(b, words)) for words in (("loss",), ("accuracy",)))
    return smooth, counted
