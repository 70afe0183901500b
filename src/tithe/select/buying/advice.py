"""What is known and expected of bought labels in words, and whether more of them pay."""

from __future__ import annotations

from typing import NamedTuple

from tithe.errors import InputError
from tithe.report.words import Phrase, in_english, joined, say
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
    says: Phrase

    @property
    def sentence(self) -> str:
        """What it says, for programs and terminals."""
        return in_english(self.says)


def known(evidence: Evidence | None) -> Phrase:
    """Say what the bought labels show."""
    if evidence is None:
        return say("no label is known yet")
    counts = say(
        "{bought} {bought:label|labels} of {classes} {classes:class|classes}",
        bought=evidence.bought,
        classes=evidence.classes,
    )
    if evidence.classes > 1:
        counts = say(
            "{counts}, a median of {median:g} per class; accuracy {accuracy:.3f} on bought rows that the model was not "
            "trained on, where always guessing the most frequent class gives {chance:.3f}",
            counts=counts,
            median=evidence.rows_per_class,
            accuracy=evidence.accuracy,
            chance=evidence.chance,
        )
    if evidence.agreement is None:
        return counts
    same = say("{share:.0f} % of the pool is predicted as in the round before", share=100 * evidence.agreement)
    return joined([counts, same], "; ")


def hoped(expectation: Expectation | None) -> Phrase:
    """Say what the next labels are expected to bring."""
    if expectation is None:
        return say("nothing can be expected yet: a learning curve needs {least} labels, of two classes", least=LEAST)
    after = expectation.after
    return say(
        "by the learning curve, accuracy is {now:.3f} now and {after:.3f} ({low:.3f} to {high:.3f}) after {rows} more "
        "{rows:label|labels}, on rows like the bought ones: {gain}, {per_hundred:.1f} per 100 labels",
        now=expectation.now.value,
        after=after.value,
        low=after.low,
        high=after.high,
        rows=expectation.rows,
        gain=_points(expectation.gain),
        per_hundred=100 * expectation.per_hundred,
    )


def advise(expectation: Expectation | None, rows: int, prices: Prices | None) -> Advice:
    """Weigh the expected gain of the next labels against their cost, or say where the gain gets small."""
    if expectation is None:
        return Advice("go on" if prices else None, say("go on until there is a learning curve"))
    if prices is None:
        return Advice(None, _flat(expectation))
    cost, gain = rows * prices.label, expectation.gain
    low, value, high = (100 * share * prices.point for share in (gain.low, gain.value, gain.high))
    worth = say(
        "{rows} {rows:label costs|labels cost} {cost} and {rows:brings|bring} {gain}, worth {value} ({low} to {high})",
        rows=rows,
        cost=_price(cost),
        gain=_points(gain),
        value=_price(value),
        low=_price(low),
        high=_price(high),
    )
    said = worth if (low > cost) == (high > cost) else say("{worth}, so it is not certain", worth=worth)
    if value > cost:
        return Advice("go on", say("go on: {said}", said=said))
    return Advice("stop", say("stop: {said}", said=said))


def _flat(expectation: Expectation) -> Phrase:
    small = 100 * FLAT
    if expectation.flat_from is None:
        return say("the curve is flat: the gain is below {small:g} points per 100 labels", small=small)
    about = say(
        "the curve gets flat, below {small:g} points per 100 labels, from about {labels} labels on",
        small=small,
        labels=_round(expectation.flat_from),
    )
    if not expectation.flat_between:
        return about
    low, high = map(_round, expectation.flat_between)
    return say("{about} ({low} to {high})", about=about, low=low, high=high)


def _points(gain: Interval) -> Phrase:
    return say(
        "a gain of {value:.1f} points ({low:.1f} to {high:.1f})",
        value=100 * gain.value,
        low=100 * gain.low,
        high=100 * gain.high,
    )


def _price(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _round(labels: int) -> int:
    """Return a number with two digits: more would be made up."""
    return int(float(f"{labels:.2g}"))
