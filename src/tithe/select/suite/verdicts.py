"""What a line of a suite's table shows, in words, with the numbers that decided."""

from __future__ import annotations

from typing import NamedTuple

LEVEL = 0.05  # corrected p-values below it are beyond chance
CARRIES = 0.99  # a share of the full accuracy from wrong labels: it can't come from the data


class Verdict(NamedTuple):
    """What a line shows, and the numbers that decided."""

    words: str
    because: str


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
        random = "" if random_wrong is None else f", of random rows {100 * random_wrong:.1f} %"
        return Verdict("carries the model, not the data", f"with wrong labels {100 * wrong:.1f} % of all{random}")
    if own["p_holm"] is None:
        return Verdict("not tested", f"{_shown(own)}: no test of one seed, or of equal differences")
    if own["p_holm"] >= LEVEL:
        return Verdict("no better than random", _shown(own))
    if _difference(own) < 0:
        return Verdict("worse than random", _shown(own))
    return _of_better(own, reader, helped)


def _of_better(own: Gain, reader: Gain | None, helped: Gain | None) -> Verdict:
    """Return the verdict on a strategy that is better than random: another reader of its rows, and the help, decide."""
    others = "; no other reader was tried" if reader is None else f"; another reader {_shown(reader)}"
    if reader is not None and _difference(reader) < 0 and _is_beyond_chance(reader):
        return Verdict("carries the model, not the data", _shown(own) + others)
    if helped is not None:
        beside = f"; {_shown(helped, 'random with the same help')}"
        if _difference(helped) > 0 and helped["p_holm"] is None:
            return Verdict("not tested", f"{_shown(own)}{beside}: no test of one seed, or of equal differences")
        if _difference(helped) <= 0 or not _is_beyond_chance(helped):
            return Verdict("no better than random with the same help", _shown(own) + beside)
        others = beside + others
    return Verdict(_of_readers(reader), _shown(own) + others)


def _of_readers(reader: Gain | None) -> str:
    if reader is None:
        return "better than random for its own reader"
    return "picks informative rows" if _difference(reader) >= 0 else "better for its own reader only"


def _is_beyond_chance(gain: Gain) -> bool:
    return gain["p_holm"] is not None and gain["p_holm"] < LEVEL


def _difference(gain: Gain) -> float:
    return gain["difference"] or 0.0


def _shown(gain: Gain, rival: str = "random") -> str:
    p = gain["p_holm"]
    return f"{_difference(gain):+.4f} against {rival}" + ("" if p is None else f", p by Holm {p:.3f}")
