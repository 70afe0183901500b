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


def judge(own: Gain, reader: Gain | None, wrong: float | None, random_wrong: float | None) -> Verdict:
    """Return the verdict on one strategy at one budget.

    Parameters
    ----------
    own, reader
        Its accuracy against that of random rows, for the model that was trained, and for another reader of the same
        rows; None where that was not measured.
    wrong, random_wrong
        Share of the full accuracy with wrong labels, its own and that of random rows; None where not measured.
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
    return _of_better(own, reader)


def _of_better(own: Gain, reader: Gain | None) -> Verdict:
    """Return the verdict on a strategy that is better than random: what another reader has of its rows decides."""
    if reader is None:
        return Verdict("better for its own reader only", f"{_shown(own)}; no other reader was tried")
    because = f"{_shown(own)}; another reader {_shown(reader)}"
    if _difference(reader) >= 0:
        return Verdict("picks informative rows", because)
    is_beyond_chance = reader["p_holm"] is not None and reader["p_holm"] < LEVEL
    return Verdict("carries the model, not the data" if is_beyond_chance else "better for its own reader only", because)


def _difference(gain: Gain) -> float:
    return gain["difference"] or 0.0


def _shown(gain: Gain) -> str:
    p = gain["p_holm"]
    return f"{_difference(gain):+.4f} against random" + ("" if p is None else f", p {p:.3f}")
