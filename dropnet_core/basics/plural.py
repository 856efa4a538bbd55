"""Numbers in front of nouns."""


def counted(number: float, noun: str) -> str:
    """Such as "1 seed", "15 seeds", "1,365 trainings"."""
    return f"{number:,.0f} {noun}{'' if number == 1 else 's'}"
