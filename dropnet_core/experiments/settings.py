"""Settings of an experiment as a command line gives them, and as a reader sees them."""

from collections.abc import Iterable
from typing import Any

from dropnet_core.basics.errors import InputError
from dropnet_core.runs import LARGEST_SEED, MOST_RUNS
from dropnet_core.stops import Stop

LIST_SETTINGS = ("metrics", "selection", "score", "initial")
WHOLE_SETTINGS = ("batch_size", "max_epochs", "patience", "size")


def parse_settings(words: list[str]) -> dict[str, Any]:
    """Settings from words as a command line gives them: "p=0.3", "metrics=min,max", "stop=kappa 0.95".

    Raises InputError for a word without "=", a value that does not fit, or a setting that is given twice.
    """
    settings: dict[str, Any] = {}
    given: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise InputError(f"a setting reads name=value, not '{word}'")
        name = "stops" if name == "stop" else name
        if name in given:
            raise InputError(f"'{given[name]}' and '{word}' give one setting twice; leave one of them out")
        given[name] = word
        settings[name] = parse_value(name, text)
    return settings


def parse_value(name: str, text: str) -> Any:
    """The value of a setting from its text. Raises InputError, with an example, for one that does not fit."""
    if name in (*LIST_SETTINGS, "p", "stops") and not all(part.strip() for part in text.split(",")):
        raise InputError(f"'{text}' is no value for {name}: a value is missing at one of its commas; leave that out")
    if name == "seeds":
        return parse_seeds(text)
    if name == "stops":
        return tuple(Stop.parse(part) for part in text.split(","))
    if name in LIST_SETTINGS:
        return tuple(text.split(","))
    if name in WHOLE_SETTINGS:
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise InputError(f"'{text}' is no value for {name}: a whole number in plain digits, such as {name}=32")
        return int(text)
    if name in ("shuffle", "colour"):
        if text.lower() not in ("true", "false"):
            raise InputError(f"'{text}' is no value for {name}: {name}=true or {name}=false")
        return text.lower() == "true"
    try:
        if name == "p":
            return tuple(float(number) for number in text.split(","))
        return float(text) if name == "learning_rate" else text
    except ValueError:
        example = "0.2,0.3" if name == "p" else "0.01"
        raise InputError(f"'{text}' is no value for {name}: numbers such as {name}={example}") from None


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from "0-14", "0,3,7" or a mixture. Raises InputError for anything else."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = (first, last) if dash else (first,)
        if not all(number.isascii() and number.isdecimal() for number in numbers):
            raise InputError(f"seeds read 0-14 or 0,3,7, not '{text}'")
        if max(len(first), len(last)) > len(str(LARGEST_SEED)):
            raise InputError(f"a seed is at most {LARGEST_SEED}; '{part.strip()[:30]}' has more digits")
        start, end = int(first), int(last or first)
        if end < start:
            raise InputError(f"seeds read 0-14 or 0,3,7, not '{text}'")
        if len(seeds) + end - start >= MOST_RUNS:
            raise InputError(f"'{part.strip()}' makes more than {MOST_RUNS:,} seeds; take fewer")
        seeds += range(start, end + 1)
    return tuple(seeds)


def seeds_text(seeds: Iterable[int]) -> str:
    """The short form of seeds that `parse_seeds` reads: "0-14", "0,3-5"."""
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)
