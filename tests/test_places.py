"""Where the results are."""

import pytest

from dropnet_core.basics import places
from dropnet_core.basics.errors import InputError


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with results, the working directory deep below it, and no variable set."""
    (tmp_path / "results" / "published").mkdir(parents=True)
    below = tmp_path / "notebooks" / "results"  # somebody's own, without the published numbers
    below.mkdir(parents=True)
    monkeypatch.delenv("DROPNET_RESULTS", raising=False)
    monkeypatch.chdir(below)
    return tmp_path


def test_results_lie_above_the_working_directory(clone):
    assert places.results_folder() == clone / "results"


def test_the_variable_comes_first(clone, monkeypatch):
    (clone / "other").mkdir()
    monkeypatch.setenv("DROPNET_RESULTS", str(clone / "other"))
    assert places.results_folder() == clone / "other"
    monkeypatch.setenv("DROPNET_RESULTS", str(clone / "nowhere"))
    with pytest.raises(InputError, match=r"nowhere.*correct or unset it"):
        places.results_folder()


def test_without_results_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("DROPNET_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert places.results_folder().name == "results"  # those beside the package
    monkeypatch.setattr(places, "__file__", str(tmp_path / "site" / "places.py"))
    with pytest.raises(InputError, match="set DROPNET_RESULTS"):
        places.results_folder()
