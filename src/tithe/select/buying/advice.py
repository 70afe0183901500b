"""What is known and expected of bought labels in words, and whether more of them pay."""

from __future__ import annotations

from typing import NamedTuple

from tithe.console import counted
from tithe.errors import InputError
from tithe.select.buying.evidence import Evidence
from tithe.select.buying.expect import FLAT, LEAST, Expectation, Interval


class Prices(NamedTuple):
    """What one label costs, and what one point of accuracy (one in a hundred) is worth, in the same unit."""

    label: float
    point: float

    @classmethod
    def of(cls, cost: float | None, worth: float | None) -> Prices | None:
        """Return both prices; None if neither is given.

        Raises
        ------
        InputError
            Only one of them is, or one is not a positive number.
        """
        if cost is None and worth is None:
            return None
        if cost is None or worth is None:
            given, other = ("cost", "worth") if worth is None else ("worth", "cost")
            raise InputError(f"--{given} needs --{other} to be weighed against: give both, or neither")
        for name, value in (("cost", cost), ("worth", worth)):
            if not 0 < value < float("inf"):
                raise InputError(f"--{name} {value:g} is not a positive number: give the price in any unit")
        return cls(cost, worth)


class Advice(NamedTuple):
    """Whether to buy the next labels, `go on` or `stop`, and why; no verdict without prices."""

    verdict: str | None
    sentence: str


def known(evidence: Evidence | None) -> str:
    """Say what the bought labels show."""
    if evidence is None:
        return "no label is known yet"
    said = f"{counted(evidence.bought, 'label')} of {counted(evidence.classes, 'class')}"
    if evidence.classes > 1:
        said += (
            f", a median of {evidence.rows_per_class:g} per class; accuracy {evidence.accuracy:.3f} on bought rows "
            "that the model was not trained on, where always guessing the most frequent class gives "
            f"{evidence.chance:.3f}"
        )
    if evidence.agreement is not None:
        said += f"; {100 * evidence.agreement:.0f} % of the pool is predicted as in the round before"
    return said


def hoped(expectation: Expectation | None) -> str:
    """Say what the next labels are expected to bring."""
    if expectation is None:
        return f"nothing can be expected yet: a learning curve needs {LEAST} labels, of two classes"
    now, gain, after = expectation.now, expectation.gain, expectation.after
    return (
        f"by the learning curve, accuracy is {now.value:.3f} now and {after.value:.3f} ({after.low:.3f} to "
        f"{after.high:.3f}) after {counted(expectation.rows, 'more label')}, on rows like the bought ones: "
        f"{_points(gain)}, {100 * expectation.per_hundred:.1f} per 100 labels"
    )


def advise(expectation: Expectation | None, rows: int, prices: Prices | None) -> Advice:
    """Weigh the expected gain of the next labels against their cost, or say where the gain gets small."""
    if expectation is None:
        return Advice("go on" if prices else None, "go on until there is a learning curve")
    if prices is None:
        small = f"{100 * FLAT:g} points per 100 labels"
        if expectation.flat_from is None:
            return Advice(None, f"the curve is flat: the gain is below {small}")
        ends = expectation.flat_between
        between = f" ({_round(ends[0])} to {_round(ends[1])})" if ends else ""
        about = f"from about {_round(expectation.flat_from)} labels on{between}"
        return Advice(None, f"the curve gets flat, below {small}, {about}")
    cost, gain = rows * prices.label, expectation.gain
    low, value, high = (100 * share * prices.point for share in (gain.low, gain.value, gain.high))
    verdict = "go on" if value > cost else "stop"
    doubt = "" if (low > cost) == (high > cost) else ", so it is not certain"
    worth = f"{_points(gain)}, worth {_price(value)} ({_price(low)} to {_price(high)})"
    labels = f"{counted(rows, 'label')} cost{'s' * (rows == 1)} {_price(cost)} and bring{'s' * (rows == 1)}"
    return Advice(verdict, f"{verdict}: {labels} {worth}{doubt}")


def _points(gain: Interval) -> str:
    return f"a gain of {100 * gain.value:.1f} points ({100 * gain.low:.1f} to {100 * gain.high:.1f})"


def _price(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _round(labels: int) -> int:
    """Return a number with two digits: more would be made up."""
    return int(float(f"{labels:.2g}"))
