"""What a line of a suite's table shows, in words, with the numbers that decided."""

from __future__ import annotations

from typing import NamedTuple

from tithe.report.words import Phrase, in_english, joined, say

LEVEL = 0.05  # corrected p-values below it are beyond chance
CARRIES = 0.99  # a share of the full accuracy from wrong labels: it can't come from the data


class Verdict(NamedTuple):
    """What a line shows, and the numbers that decided."""

    words: Phrase
    because: Phrase

    def as_json(self) -> dict[str, str]:
        """Return both, for programs."""
        return {name: in_english(phrase) for name, phrase in self._asdict().items()}


Gain = dict[str, float | None]  # `difference`, `p`, `p_holm` of the paired test against random


def judge(
    own: Gain, reader: Gain | None, wrong: float | None, random_wrong: float | None, helped: Gain | None = None
) -> Verdict:
    """Return the verdict on one strategy at one budget.

    Parameters
    ----------
    own, reader
        Its accuracy against that of random rows, for the model that was trained, and for another reader of the same
        rows; None where that was not measured.
    wrong, random_wrong
        Share of the full accuracy with wrong labels, its own and that of random rows; None where not measured.
    helped
        Its accuracy against that of random rows with the same weights and penalty; None for a strategy without, and
        where it was not measured.
    """
    if wrong is not None and wrong >= CARRIES and not (random_wrong is not None and random_wrong >= CARRIES):
        shares = [say("with wrong labels {share:.1f} % of all", share=100 * wrong)]
        shares += [] if random_wrong is None else [say("of random rows {share:.1f} %", share=100 * random_wrong)]
        return Verdict(say("carries the model, not the data"), joined(shares))
    if own["p_holm"] is None:
        return _untested(_shown(own))
    if own["p_holm"] >= LEVEL:
        return Verdict(say("no better than random"), _shown(own))
    if _difference(own) < 0:
        return Verdict(say("worse than random"), _shown(own))
    return _of_better(own, reader, helped)


def _untested(numbers: Phrase) -> Verdict:
    because = say("{numbers}: no test of one seed, or of equal differences", numbers=numbers)
    return Verdict(say("not tested"), because)


def _of_better(own: Gain, reader: Gain | None, helped: Gain | None) -> Verdict:
    """Return the verdict on a strategy that is better than random: another reader of its rows, and the help, decide."""
    numbers = [_shown(own)]
    others = say("another reader {numbers}", numbers=_shown(reader)) if reader else say("no other reader was tried")
    if reader is not None and _difference(reader) < 0 and _is_beyond_chance(reader):
        return Verdict(say("carries the model, not the data"), joined([*numbers, others], "; "))
    if helped is not None:
        numbers.append(_shown(helped, say("random with the same help")))
        if _difference(helped) > 0 and helped["p_holm"] is None:
            return _untested(joined(numbers, "; "))
        if _difference(helped) <= 0 or not _is_beyond_chance(helped):
            return Verdict(say("no better than random with the same help"), joined(numbers, "; "))
    return Verdict(_of_readers(reader), joined([*numbers, others], "; "))


def _of_readers(reader: Gain | None) -> Phrase:
    if reader is None:
        return say("better than random for its own reader")
    return say("picks informative rows") if _difference(reader) >= 0 else say("better for its own reader only")


def _is_beyond_chance(gain: Gain) -> bool:
    return gain["p_holm"] is not None and gain["p_holm"] < LEVEL


def _difference(gain: Gain) -> float:
    return gain["difference"] or 0.0


def _shown(gain: Gain, rival: str | Phrase = "random") -> Phrase:
    against = say("{difference:+.4f} against {rival}", difference=_difference(gain), rival=rival)
    p = gain["p_holm"]
    return against if p is None else say("{against}, p by Holm {p:.3f}", against=against, p=p)
