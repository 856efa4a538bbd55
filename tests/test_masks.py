"""A mask is a key: nothing may change it, wherever it has been."""

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from some_jobs import taking
from tiny_runs import NETWORK

from dropnet_core.masks import Mask
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job

MASK = Mask([[True, False, True, True], [True, True, False]])
JOB = Job(Recipe(), NETWORK, seed=0, weights=1, mask=MASK)


def pickled(protocol: int, thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing, protocol))


WAYS: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy} | {
    f"pickle {protocol}": partial(pickled, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}


def written_to(mask: Mask) -> list[bool]:
    """For each layer, whether a write goes through."""
    done = []
    for layer in mask.layers:
        try:
            layer[0] = not layer[0]
        except ValueError:
            done.append(False)
        else:
            done.append(True)
    return done


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_copy_is_the_same_key_and_cannot_be_written_to(way):
    copied = way(MASK)
    assert copied == MASK and hash(copied) == hash(MASK) and copied.text() == MASK.text()
    assert written_to(copied) == [False, False]
    assert all((a == b).all() for a, b in zip(copied.layers, MASK.layers, strict=True))
    assert copied.without(0, np.array([0])) != copied == MASK


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_copied_job_is_found_under_its_key(way):
    copied = way(JOB)
    assert {JOB: "outcome"}[copied] == "outcome" and copied.key("data") == JOB.key("data")
    assert written_to(copied.mask) == [False, False]


def test_a_subclass_stays_one():
    class Marked(Mask):
        pass

    assert type(copy.deepcopy(Marked(MASK.layers))) is Marked


def tried(jobs: list[Job]) -> list[tuple[list[bool], Job]]:
    return [(written_to(job.mask), job) for job in taking(jobs)(len(jobs))]


def test_a_worker_process_can_change_no_mask():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        ((there, returned),) = pool.submit(tried, [JOB]).result()
    assert there == [False, False], "in the worker"
    assert written_to(returned.mask) == [False, False], "back from it"
    assert returned == JOB and hash(returned) == hash(JOB)
