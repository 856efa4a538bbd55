"""The scorecard as a page shows it: small tables that fit a telephone, and one figure of all verdicts."""

from html import escape

import matplotlib
import pandas as pd
from IPython.display import HTML
from matplotlib.patches import Rectangle

from dropnet_core.basics.plural import counted
from dropnet_core.figures.charts import INK, RC, Chart, chart
from dropnet_core.figures.curve_styles import label
from dropnet_core.pages.plain_tables import STYLE, plain_table
from dropnet_core.verdicts.claims import claims
from dropnet_core.verdicts.decisions import FAILS, HOLDS, OPEN, SMALL
from dropnet_core.verdicts.scorecard import SOURCES, Scorecard
from dropnet_core.verdicts.verdict import (
    CONFIRMED,
    INCONCLUSIVE,
    NO_DIFFERENCE,
    NOT_CONFIRMED,
    NOT_RUN,
    NOT_TESTED,
    PARTLY,
    PARTLY_RUN,
    VERDICTS,
)
from dropnet_core.verdicts.words import NOT_SHOWN, PARTLY_SHOWN, paper_words

FAMILIES = {
    "A": "Two dense layers",
    "B": "Two convolutions",
    "C": "Four convolutions, CIFAR-10",
    "D": "ResNet18 and VGG19",
    "E": "The oracle",
    "F": "New first weights",
    "G": "The pruning fraction p",
    "H": "Tiny ImageNet",
    "I": "APoZ",
    "J": "The paper as a whole",
    "K": "The report",
    "L": "Our own questions",
}
"""The first letter of a claim's id -> what the claim is about."""

LOOKS = {
    CONFIRMED: ("\N{HEAVY CHECK MARK}", "#1a66a8"),
    PARTLY: ("\N{CIRCLE WITH LEFT HALF BLACK}", "#96640a"),
    NO_DIFFERENCE: ("\N{ALMOST EQUAL TO}", "#5b4a9c"),
    NOT_CONFIRMED: ("\N{HEAVY BALLOT X}", "#b0283a"),
    INCONCLUSIVE: ("?", "#66707a"),
    PARTLY_RUN: ("\N{HORIZONTAL ELLIPSIS}", ""),
    PARTLY_SHOWN: ("\N{HORIZONTAL ELLIPSIS}", ""),
    NOT_RUN: ("\N{MIDDLE DOT}", ""),
    NOT_SHOWN: ("\N{MIDDLE DOT}", ""),
    NOT_TESTED: ("\N{EN DASH}", ""),
    HOLDS: ("\N{HEAVY CHECK MARK}", "#1a66a8"),
    FAILS: ("\N{HEAVY BALLOT X}", "#b0283a"),
    SMALL: ("\N{ALMOST EQUAL TO}", "#5b4a9c"),
    OPEN: ("?", "#66707a"),
}
"""A verdict or an outcome -> its symbol and its colour behind white letters; without a colour it is plain text."""

FIGURES = "the paper's own figures"


def badge(said: str, words: str = "") -> str:
    """A verdict or outcome as a coloured label: symbol and words, by default its name, say the same."""
    symbol, colour = LOOKS[said]
    paint = f' style="background: {colour}; border-color: {colour}; color: #fff"' if colour else ""
    return f'<span class="verdict"{paint}>{symbol} {words or said}</span>'


def claims_table(card: Scorecard, family: str) -> HTML:
    """The claims whose ids begin with a letter: verdicts, and under each what its tests found, folded away."""
    chosen = card.family(family)
    rows = chosen.table()
    tests = {source: chosen.tests(source).groupby("claim") for source in SOURCES}
    lines = [f"<tr><th>claim</th><th>our runs</th><th>{FIGURES}</th></tr>"]
    for row in rows.itertuples():
        words = f"<b>{row.id}</b> {escape(str(row.statement))}"
        ours, theirs = badge(str(row.verdict)), badge(str(row.paper), paper_words(str(row.paper)))
        lines.append(f"<tr><td>{words}</td><td>{ours}</td><td>{theirs}</td></tr>")
        found = {source: groups.get_group(row.id) for source, groups in tests.items() if row.id in groups.groups}
        lines.append(f'<tr class="more"><td colspan="3">{_details(row, found)}</td></tr>')
    return HTML(f'{STYLE}<table class="scorecard">{"".join(lines)}</table>')


def _details(row: object, found: dict[str, pd.DataFrame]) -> str:
    """What stands behind a claim's verdicts: where it is from, and each test that could be made."""
    get = row.__getattribute__
    where = get("source")
    parts = [f"<p>{'Not a claim of the paper' if where.startswith('ours') else f'Claimed in: {escape(where)}'}.</p>"]
    if get("note"):
        parts.append(f"<p>{escape(get('note'))}</p>")
    for title, reason in (("On our runs", get("reason")), ("On the paper's own figures", get("paper_reason"))):
        if reason and reason != get("note"):
            parts.append(f"<p>{title}: {escape(reason)}.</p>")
    titles = {
        "records": "On our runs",
        "paper": "On the paper's own figures",
        "other": "Under the other reading of the code",
    }
    for source, title in titles.items():
        if source not in found:
            continue
        shown = f": {badge(get('other'))}" if source == "other" else ""
        parts.append(f"<p><b>{title}</b>{shown}</p>")
        parts += [_test(test) for test in judged(found[source])]
        waiting = found[source][found[source]["n"] == 0]
        if len(waiting):
            names = ", ".join(dict.fromkeys(f"{test.experiment} ({test.reason})" for test in waiting.itertuples()))
            parts.append(f"<p>Without evidence: {escape(names)}.</p>")
    summary = counted(get("tests"), "test") if get("tests") else "why"
    if get("n"):
        only = get("tests") == 1
        summary += f": {_effect(judged(found['records'])[0])}" if only else f", {get('judged')} of them run"
        summary += f", n = {get('n')}"
    if get("seeds_needed") == get("seeds_needed"):
        summary += f", {_seeds(get('seeds_needed'))}"
    flag = " <b>It depends on the reading of the code.</b>" if get("depends") else ""
    return f"{flag}<details><summary>{summary}</summary>{''.join(parts)}</details>"


def judged(tests: pd.DataFrame) -> list[dict]:
    """The tests for which there was evidence."""
    return tests[tests["n"] > 0].to_dict("records")


def _effect(test: dict) -> str:
    """ "effect +0.020 (+0.009 to +0.030)", or Kendall's tau of an order, or a share."""
    if test["kind"] in ("ORDER", "SHARE"):
        return f"{'tau' if test['kind'] == 'ORDER' else 'share'} {test['effect']:.2f}"
    interval = f" ({test['lower']:+.3f} to {test['upper']:+.3f})" if test["lower"] == test["lower"] else ""
    return f"effect {test['effect']:+.3f}{interval}"


def _test(test: dict) -> str:
    """One test in two lines: its call and outcome, its numbers."""
    numbers = [_effect(test)]
    if test["p"] == test["p"]:
        corrected = test["p_holm"] == test["p_holm"]
        numbers.append(_p(test["p_holm"]) + " (Holm)" if corrected else _p(test["p"]))
    numbers += [f"n = {test['n']}", f"margin {test['margin']:g}"]
    if test["seeds_needed"] == test["seeds_needed"]:
        numbers.append(_seeds(test["seeds_needed"]))
    if test["collapsed"] and not all(part.endswith(" 0 %") for part in test["collapsed"].split(", ")):
        numbers.append(f"collapsed: {test['collapsed']}")
    words = f"{escape(test['reason'])}; {escape('; '.join(numbers))}"
    return f"<p>{badge(test['outcome'])} <code>{escape(test['test'])}</code><br>{words}</p>"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _seeds(number: float) -> str:
    return "no number of seeds would decide it" if number > 1000 else f"about {number:.0f} seeds would decide it"


def counts_table(card: Scorecard) -> HTML:
    """How many claims have each verdict on our runs, and of how many the paper's own figures show what they say."""
    rows = []
    for said, ours, paper in card.counts().itertuples():
        theirs = paper_words(said)
        rows.append(
            f'<tr><td>{badge(said)}</td><td class="number">{ours}</td>'
            f'<td>{badge(said, theirs)}</td><td class="number">{paper}</td></tr>'
        )
    head = f'<tr><th colspan="2">our runs</th><th colspan="2">{FIGURES}</th></tr>'
    return HTML(f'{STYLE}<table class="scorecard">{head}{"".join(rows)}</table>')


def agreement_table(agreements: pd.DataFrame) -> HTML:
    """Mean and largest difference of each curve from the published one, beside what reading and chance make."""
    if agreements.empty:
        return HTML("<p>There is nothing to compare yet: no experiment of the paper has records here.</p>")
    rows = [
        [
            row["experiment"] if row["curve"] == "all" else f"\N{EN SPACE}{label(row['curve'])}",
            *(row[name] for name in ("mean_absolute_difference", "largest_difference", "reading_error", "seed_noise")),
            row["n"],
        ]
        for _, table in agreements.groupby("experiment", sort=False)
        for row in pd.concat([table[table["curve"] == "all"], table[table["curve"] != "all"]]).to_dict("records")
    ]
    return plain_table(rows, ["experiment and curves", "mean", "largest", "reading", "noise", "n"])


def open_table(beyond: pd.DataFrame) -> HTML:
    """The curves with differences that are more than noise, and where the difference is largest."""
    if beyond.empty:
        return HTML("<p>There are no differences of that size.</p>")
    rows = [
        [
            f"{row['experiment']}: {label(row['curve'])}, at {row['fraction_remaining']:.3g}",
            *(row[name] for name in ("ours", "published", "noise")),
            f"{row['beyond']} of {row['points']}",
        ]
        for row in beyond.to_dict("records")
    ]
    return plain_table(rows, ["curve, and where it differs most", "ours", "paper", "noise", "points"])


def later_table() -> HTML:
    """The claims that are not tested here, and why."""
    rows = [[f"{entry.id} {entry.statement}", entry.note] for entry in claims() if entry.kind == "LATER"]
    return plain_table(rows, ["claim", "why it is not tested"])


def at_a_glance(card: Scorecard) -> Chart:
    """All verdicts as tiles: a row for each family of claims, our runs above the paper's own figures."""
    table = card.table()
    families = {letter: table[table["id"].str.startswith(letter)] for letter in FAMILIES}
    families = {letter: rows for letter, rows in families.items() if len(rows)}
    widest = max(len(rows) for rows in families.values())
    line, tall = 1.55, 0.42  # heights in tiles: of one row of tiles with its label, in units of a tile's width
    with matplotlib.rc_context(RC):
        figure = chart(6.4, 0.44 * (2 + line) * len(families) * 0.62 + 0.6, _glance_alt_text(families))
        axes = figure.subplots()
        top = 0.0
        for letter, rows in families.items():
            axes.text(0, top + 0.1, f"{letter}  {FAMILIES[letter]}", fontsize=11, color=INK, va="bottom")
            for place, row in enumerate(rows.itertuples()):
                axes.text(place + 1.95, top - 0.02, str(row.id), fontsize=7.5, color="#555555", ha="center", va="top")
                for step, said in enumerate((str(row.verdict), str(row.paper))):
                    _tile(axes, place + 1.5, top - 0.32 - (step + 1) * tall, said)
            for step, words in enumerate(("our runs", "its figures")):
                axes.text(1.4, top - 0.32 - (step + 0.5) * tall, words, fontsize=9, ha="right", va="center", color=INK)
            top -= line + 0.18
        axes.set_xlim(0, widest + 1.6)
        axes.set_ylim(top + 0.3, 0.6)
        axes.set_axis_off()
        for said in VERDICTS:
            symbol, colour = LOOKS[said]
            theirs = paper_words(said)
            name = f"{symbol} {said}" + ("" if theirs == said else f" / {theirs}")
            axes.scatter([], [], s=130, marker="s", color=colour or "white", edgecolors="#777777", label=name)
        figure.legend_below(axes)
    return figure


def _tile(axes: matplotlib.axes.Axes, left: float, bottom: float, said: str) -> None:
    symbol, colour = LOOKS[said]
    axes.add_patch(Rectangle((left, bottom), 0.9, 0.38, facecolor=colour or "white", edgecolor="#777777", lw=0.6))
    axes.text(
        left + 0.45, bottom + 0.18, symbol, ha="center", va="center", fontsize=9, color="white" if colour else INK
    )


def _glance_alt_text(families: dict[str, pd.DataFrame]) -> str:
    """The verdicts of each family in words."""
    said = ["Verdicts on all claims, as tiles; our runs above the paper's own figures."]
    for letter, rows in families.items():
        parts = []
        counts = rows["verdict"].value_counts(sort=False)
        parts.append("our runs: " + ", ".join(f"{number} {said}" for said, number in counts.items()))
        counts = rows["paper"].map(paper_words).value_counts(sort=False)
        parts.append(f"{FIGURES}: " + ", ".join(f"{said} for {number}" for said, number in counts.items()))
        said.append(f"{FAMILIES[letter]}. " + "; ".join(parts) + ".")
    return " ".join(said)
