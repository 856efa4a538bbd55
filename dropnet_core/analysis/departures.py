"""Where the paper's text and the authors' code differ, and which option switches between them.

DEPARTURES is what the page "As written and as coded" is made of; the book's page of departures explains each.
"""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from dropnet_core.basics.places import results_folder
from dropnet_core.experiments.experiment import Experiment, experiment
from dropnet_core.experiments.results import file_of
from dropnet_core.experiments.settings import parse_settings


@dataclass(frozen=True)
class Side:
    """One way to read a rule, and the records in which it was used.

    value     of the reading's option
    name      of the experiment that has it
    curve     of its records; {metric} stands for each metric
    settings  what differs from the experiment's row, as in --set; "" for nothing
    quantity  the column that is compared
    """

    value: str
    name: str
    curve: str
    settings: str = ""
    quantity: str = "test_accuracy"

    @property
    def experiment(self) -> Experiment:
        """What has to be run."""
        return experiment(self.name).variant(parse_settings(self.settings.split()))

    @property
    def command(self) -> str:
        """The command that runs it."""
        return " ".join(
            [f"python -m dropnet_core run {self.name}", *(f"--set {word}" for word in self.settings.split())]
        )

    @property
    def file(self) -> Path:
        """Its committed records, if it has been run."""
        return file_of(self.experiment.name, results_folder())


@dataclass(frozen=True)
class Departure:
    """One place where paper and code differ.

    title    as the page of departures calls it
    anchor   of its section there
    option   the name that switches it, as in --set; "interval" is an argument of the figures
    belongs  what the option is part of: "run" (it only decides which mask comes next), "recipe" (it changes the
             outcome of a training), "record" (both are columns), "figure" (both can be drawn)
    paper, code, default   what each does, in a few words
    sides    the two readings that are compared, the paper's first; none where a formula says all
    metrics  for which they are compared
    returns  whether the networks that the runs return are compared, and not the curves at fractions remaining
    """

    title: str
    anchor: str
    option: str
    belongs: str
    _: KW_ONLY
    paper: str
    code: str
    default: str
    sides: tuple[Side, Side] | None = None
    metrics: tuple[str, ...] = ("min",)
    returns: bool = False

    def missing(self) -> list[str]:
        """The commands that have yet to be run before its effect is known."""
        sides = {side.command: side for side in self.sides or ()}
        return [command for command, side in sides.items() if not side.file.is_file()]


KAPPA_CURVE = "{metric}/kappa 0.95 "
DEPARTURES = (
    Departure(
        "When a run ends", "departure-stop", "stop", "run",
        paper="accuracy fallen to kappa times its start",
        code="fraction remaining at or below 0.1",
        default="as in each figure",
        sides=(
            Side("kappa 0.95", "kappa-fc40-fc40", KAPPA_CURVE + "last_good", quantity="fraction_remaining"),
            Side("fraction 0.05", "probe-selection-fc40-fc40", "{metric}@exact", quantity="fraction_remaining"),
        ),
        metrics=("min", "min_layer", "random"), returns=True,
    ),
    Departure(
        "What a run returns", "departure-result", "stop", "run",
        paper="`one_more` or `already_trained`",
        code="every cycle is a result",
        default="`last_good`",
        sides=(
            Side("kappa 0.95 one_more", "kappa-fc40-fc40", KAPPA_CURVE + "one_more"),
            Side("kappa 0.95 last_good", "kappa-fc40-fc40", KAPPA_CURVE + "last_good"),
        ),
        metrics=("min", "min_layer", "random"), returns=True,
    ),
    Departure(
        "Which units go", "departure-selection", "selection", "run",
        paper="the lowest: `exact`",
        code="one of the lowest is spared: `authors`",
        default="as the code in its experiments",
        sides=(
            Side("exact", "probe-selection-fc40-fc40", "{metric}@exact"),
            Side("authors", "probe-selection-fc40-fc40", "{metric}@authors"),
        ),
        metrics=("min", "min_layer", "max", "max_layer"),
    ),
    Departure(
        "Who wins a tie", "departure-ties", "selection", "run",
        paper="chance: `exact`",
        code="chance within a layer, early layers lose first: `authors`",
        default="as for which units go",
        sides=(
            Side("exact", "probe-apoz-fair", "{metric}@abs_of_mean"),
            Side("authors", "apoz-resnet18", "{metric}"),
        ),
        metrics=("apoz",),
    ),
    Departure(
        "The score of a filter", "departure-filter-score", "score", "run",
        paper="`mean_of_abs`",
        code="`abs_of_mean`",
        default="`mean_of_abs`",
        sides=(
            Side("mean_of_abs", "probe-score-vgg19", "{metric}@mean_of_abs"),
            Side("abs_of_mean", "probe-score-vgg19", "{metric}@abs_of_mean"),
        ),
        metrics=("min", "min_layer"),
    ),
    Departure(
        "Counting zeros", "departure-counting-zeros", "score", "run",
        paper="single zeros: `mean_of_abs`",
        code="maps of zeros: `abs_of_mean`",
        default="as the code",
        sides=(
            Side("mean_of_abs", "probe-apoz-fair", "{metric}@mean_of_abs"),
            Side("abs_of_mean", "probe-apoz-fair", "{metric}@abs_of_mean"),
        ),
        metrics=("apoz", "apoz_layer"),
    ),
    Departure(
        "The oracle's companions", "departure-oracle", "metrics", "run",
        paper="one unit a cycle: `random`",
        code="one a layer, lowest number first: `random_layer`",
        default="one a layer, at random",
        sides=(
            Side("random", "oracle-fc20-fc20", "{metric}", "metrics=random"),
            Side("random_layer", "oracle-fc20-fc20", "{metric}_layer"),
        ),
        metrics=("random",),
    ),
    Departure(
        "Last or best epoch", "departure-best-epoch", "best_test_accuracy", "record",
        paper="at early stopping",
        code="last epoch: `test_accuracy`",
        default="`test_accuracy`",
        sides=(
            Side("best_test_accuracy", "mnist-fc40-fc40", "{metric}", quantity="best_test_accuracy"),
            Side("test_accuracy", "mnist-fc40-fc40", "{metric}"),
        ),
        metrics=("min", "min_layer", "random", "random_layer"),
    ),
    Departure(
        "Batches and their order", "departure-order", "shuffle", "recipe",
        paper="not said",
        code="the same in every epoch: `false`",
        default="`false`",
        sides=(
            Side("true", "reinit-fc20-fc20", "{metric}", "shuffle=true initial=rewind"),
            Side("false", "reinit-fc20-fc20", "{metric}"),
        ),
    ),
    Departure(
        "The range of first weights", "departure-weight-range", "initial", "recipe",
        paper="not said: `small_reinit`, if built anew",
        code="of the full layer: `reinit`",
        default="of the full layer",
        sides=(
            Side("small_reinit", "probe-shrunk-init-fc20-fc20", "{metric}_small_reinit"),
            Side("reinit", "probe-shrunk-init-fc20-fc20", "{metric}_reinit"),
        ),
    ),
    Departure(
        "The bars", "departure-bars", "interval", "figure",
        paper="95 % intervals",
        code="1.96 population deviations: `paper`",
        default="`t`",
    ),
)  # fmt: skip
