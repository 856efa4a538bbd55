"""What the scorecard's page shows: words and symbols beside colours, nothing of a claim lost, any results."""

import re
from html import unescape

import pandas as pd
import pytest
from made_up_records import falling, records_of_means

from dropnet_core.pages import plain_tables
from dropnet_core.pages import scorecard_page as page
from dropnet_core.verdicts.claims import claims
from dropnet_core.verdicts.evidence import Evidence, MissingEvidence, SeedEvidence
from dropnet_core.verdicts.printed import paper_evidence as printed
from dropnet_core.verdicts.scorecard import Scorecard
from dropnet_core.verdicts.verdict import VERDICTS, judge_all
from dropnet_core.verdicts.words import NOT_SHOWN

SIX = {"min_layer": 0.9, "min": 0.87, "random_layer": 0.84, "max_layer": 0.81, "random": 0.78}


def made(seeds: int = 15) -> Scorecard:
    """A few claims, those on Fig. 3 with made-up records; A2 comes out otherwise in the other reading."""
    chosen = [claim for claim in claims() if claim.id in ("A1", "A2", "A7", "A9", "G2", "J8", "L1")]
    usual = SeedEvidence.of(records_of_means(SIX | {"max": falling(0.9, 0.4, 0.6)}, seeds=seeds))
    other = SeedEvidence.of(records_of_means(SIX | {"max": 0.9}, seeds=seeds))

    def among(found: Evidence):
        def source(name: str) -> Evidence:
            if name != "mnist-fc40-fc40":
                raise MissingEvidence("no records")
            return found

        return source

    both = [claim for claim in chosen if claim.id in ("A1", "A2", "A7")]
    return Scorecard(judge_all(chosen, among(usual)), judge_all(chosen, printed), judge_all(both, among(other)))


@pytest.fixture(scope="module")
def card() -> Scorecard:
    return made()


def text(html: str) -> str:
    """What a reader sees of a piece of a page."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)))


def test_every_claim_has_a_family_and_every_verdict_a_look() -> None:
    assert {claim.id[0] for claim in claims()} == set(page.FAMILIES)
    looks = [page.LOOKS[said] for said in VERDICTS]
    assert len(set(looks)) == len(looks) and NOT_SHOWN in page.LOOKS


def test_white_letters_can_be_read_on_every_colour() -> None:
    for _, colour in page.LOOKS.values():
        if colour:
            red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
            light = [c / 12.92 if c <= 0.04 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
            assert 1.05 / (0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2] + 0.05) >= 4.5


def test_a_claim_shows_its_verdicts_and_what_stands_behind_them(card) -> None:
    words = text(page.claims_table(card, "A").data)
    assert all(f"{claim.id} {claim.statement}" in words for claim in claims() if claim.id in ("A1", "A2", "A7", "A9"))
    assert "\N{HEAVY CHECK MARK} confirmed" in words and "\N{EN DASH} not tested" in words
    assert "CLIFF(mnist-fc40-fc40; max; 0.5)" in words and "Claimed in: section 4.1; Fig 3." in words
    assert re.search(r"effect \+0\.3\d\d \(\+0\.\d{3} to \+0\.\d{3}\)", words)
    assert "p < 0.001 (Holm); n = 15; margin 0.05" in words
    assert "Under the other reading of the code : \N{HEAVY BALLOT X} not confirmed" in words
    assert "It depends on the reading of the code." in words
    assert "Without evidence: mnist-fc20-fc40 (no records), mnist-fc40-fc20 (no records)." in words
    assert "3 tests, 1 of them run, n = 15" in words
    assert "A9" not in text(page.claims_table(card, "G").data)


def test_a_summary_says_what_it_sums_up(card) -> None:
    words = text(page.claims_table(card, "J").data)
    assert "On our runs: G2 not yet run." in words and "On the paper's own figures: G2: they show it." in words


def test_few_seeds_are_said() -> None:
    for seeds, said in ((4, "fewer than 6 seeds"), (1, "one seed has no interval")):
        words = text(page.claims_table(made(seeds), "A").data)
        assert said in words and "inconclusive" in words and "nan" not in words


def test_the_figure_tells_all_verdicts_in_words(card) -> None:
    chart = page.at_a_glance(card)
    assert "Two dense layers. our runs: 2 confirmed, 1 partly run, 1 not tested" in chart.alt_text
    assert "the paper's own figures: not shown for 1" in chart.alt_text  # L1
    assert chart.image() == page.at_a_glance(card).image()


def test_counts_stand_beside_their_verdicts(card) -> None:
    words = text(page.counts_table(card).data)
    assert "confirmed 2 \N{HEAVY CHECK MARK} they show it 2 " in words
    assert "partly run 1 \N{HORIZONTAL ELLIPSIS} partly shown 0 " in words and "not yet run 3 " in words


def test_the_papers_column_is_never_called_confirmed(card) -> None:
    """Its own figures are no second witness: they show what it says, or they do not."""
    words = text(page.claims_table(card, "G").data)
    assert "claim our runs the paper's own figures" in words
    assert "\N{MIDDLE DOT} not yet run \N{HEAVY CHECK MARK} they show it" in words and "confirmed" not in words


def test_tables_of_differences() -> None:
    agreement = {
        "experiment": "a<b", "curve": ["min/p=0.2", "all"], "mean_absolute_difference": 0.0042,
        "largest_difference": 0.02, "reading_error": 0.003, "seed_noise": 0.001, "n": 15,
    }  # fmt: skip
    words = page.agreement_table(pd.DataFrame(agreement)).data
    assert "a&lt;b" in words and text(words).index("a<b 0.004 0.020") < text(words).index(
        "min, p = 0.2 0.004"
    )  # the whole first
    assert "no differences" in page.open_table(pd.DataFrame()).data
    beyond = {"experiment": "x", "curve": "min", "points": 16, "beyond": 2, "fraction_remaining": 0.1167}
    beyond |= {"ours": 0.5, "published": 0.7, "difference": -0.2, "noise": 0.1}
    assert "x: min, at 0.117 0.500 0.700 0.100 2 of 16" in text(page.open_table(pd.DataFrame([beyond])).data)
    assert "nothing to compare yet" in page.agreement_table(pd.DataFrame()).data


def test_later_claims_are_listed_with_their_reason() -> None:
    words = text(page.later_table().data)
    for claim in claims():
        assert (f"{claim.id} {claim.statement} {claim.note}" in words) == (claim.kind == "LATER")


def test_error_rates_are_shown() -> None:
    row = {"test": "PAIR", "truth": "no effect", "effect": 0.0, "holds": 0.02, "fails": 0.04, "open": 0.03}
    row["small"] = 0.91
    shown = text(plain_tables.rates_table(pd.DataFrame([row])).data)
    assert "effect holds fails small open PAIR, no effect 0.000 0.020 0.040 0.910 0.030" in shown
    family = {"test": "EQ", "tests": 12, "dying": 0.07, "half the margin": 0.01}
    assert "12 EQ, networks die 0.010" in text(plain_tables.wrong_table(pd.DataFrame([family])).data)
    worse = {"test": "DROP", "truth": "at the margin", "fails": 0.025, "fails_dying": 0.5, "milder": 0.0}
    assert "DROP, at the margin 0.025 0.500 0.000" in text(plain_tables.deaths_table(pd.DataFrame([worse])).data)
