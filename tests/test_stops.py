from dataclasses import dataclass

import pytest

from dropnet_core.basics.errors import InputError
from dropnet_core.schedules import fraction, schedules
from dropnet_core.stops import Stop


@dataclass
class Seen:
    fraction_remaining: float
    validation_accuracy: float


def trained(*accuracies):
    return [Seen(0.5**i, accuracy) for i, accuracy in enumerate(accuracies)]


def cycles_until(stop, accuracies):
    """How many of these cycles are trained before the stop."""
    for count in range(1, len(accuracies) + 1):
        if stop(trained(*accuracies[:count])):
            return count
    return None


FALLING = (0.90, 0.91, 0.86, 0.80, 0.85, 0.3)  # 0.95 x 0.90 = 0.855: cycle 3 is the first at or below it


def test_fraction_trains_the_first_cycle_at_or_below_it():
    assert cycles_until(Stop("fraction", 0.25), FALLING) == 3
    assert cycles_until(Stop("fraction", 0.26), FALLING) == 3
    assert cycles_until(Stop("fraction", 0.24), FALLING) == 4


@pytest.mark.parametrize(
    ("reading", "count", "result"), [("last_good", 4, 2), ("already_trained", 4, 3), ("one_more", 5, 4)]
)
def test_kappa_and_its_three_readings(reading, count, result):
    stop = Stop("kappa", 0.95, reading)
    assert cycles_until(stop, FALLING) == count
    assert stop.result(trained(*FALLING[:count])) == result


def test_kappa_counts_an_accuracy_at_the_bound_as_fallen():
    assert cycles_until(Stop("kappa", 0.5), (0.8, 0.41, 0.4)) == 3


def test_kappa_of_one_stops_without_any_loss_being_allowed():
    assert cycles_until(Stop("kappa", 1.0), (0.9, 0.9)) == 2


def test_a_run_that_never_falls_returns_its_last_cycle():
    stop = Stop("kappa", 0.5)
    assert not stop(trained(0.9, 0.9))
    assert stop.result(trained(0.9, 0.9)) == 1


def test_number_of_cycles_counts_the_unpruned_one():
    assert cycles_until(Stop("cycles", 3), FALLING) == 3


@pytest.mark.parametrize("text", ["fraction 0.1", "kappa 0.95 last_good", "kappa 1.0 one_more", "cycles 4"])
def test_a_stop_reads_back_what_it_writes(text):
    assert str(Stop.parse(text)) == text


def test_last_good_is_the_reading_unless_another_is_named():
    assert Stop.parse("kappa 0.9") == Stop("kappa", 0.9, "last_good")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kapa 0.9", "did you mean 'kappa'"),
        ("kappa 0.9 last_god", "did you mean 'last_good'"),
        ("kappa 0", "kappa lies above 0"),
        ("kappa 1.01", "kappa lies above 0"),
        ("kappa nan", "finite number"),
        ("fraction 1", "below 1"),
        ("fraction -0.1", "at or above 0"),
        ("cycles 0", "at least 1"),
        ("cycles inf", "finite number"),
        ("cycles nan", "finite number"),
        ("cycles 2.5", "whole number"),
        ("fraction", "reads 'fraction 0.1'"),
        ("fraction a", "reads 'fraction 0.1'"),
        ("fraction 0.1 last_good", "only the stop 'kappa' has a reading"),
        ("fraction 0.1 one_more", "only the stop 'kappa' has a reading"),
        ("kappa 0.9 one_more twice", "at most three words"),
    ],
)
def test_bad_stops_say_what_is_wrong(text, message):
    with pytest.raises(InputError, match=message):
        Stop.parse(text)


def test_a_fraction_is_taken_as_the_decimal_number_that_was_written():
    assert [fraction(p)(left) for p, left in [(0.1, 10), (0.3, 10), (0.9, 10), (0.2, 80), (0.29, 100)]] == [
        1,
        3,
        9,
        16,
        29,
    ]
    assert fraction(0.2)(4) == 0
    assert fraction(1)(7) == 7


@pytest.mark.parametrize("p", [0, -0.2, 1.1, float("nan"), True, "0.2", None])
def test_p_outside_its_range_is_refused(p):
    with pytest.raises(InputError, match="fraction of the remaining units"):
        schedules["fraction"](p)


def test_a_p_that_would_have_no_say_is_refused():
    with pytest.raises(InputError, match="so it has no p; use p=None"):
        schedules["one_unit"](0.2)


def test_unknown_schedule_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'one_unit'"):
        schedules["one-unit"]
