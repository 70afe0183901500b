"""Why each row is to be labelled, in one sentence for the person who labels it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tithe import plugins
from tithe.arrays import Rows
from tithe.data.labels import Label
from tithe.report.words import Phrase, say
from tithe.select.geometry.clusters import nearest
from tithe.select.geometry.ranks import margins
from tithe.select.pool import Pool
from tithe.select.selection import Selection

_CHANCE = say("random, as insurance")


@dataclass(frozen=True)
class Chosen:
    """The rows that a strategy chose, in the order of choice, and what it chose from.

    Attributes
    ----------
    rows, left
        Positions in the pool: of the chosen rows, and of all that could be chosen.
    names
        The classes of the columns of the pool's `probs`, if it has any.
    """

    pool: Pool
    selection: Selection
    rows: Rows
    left: Rows
    names: Sequence[Label]

    @cached_property
    def guesses(self) -> list[tuple[str, str]]:
        """The two likeliest classes of each chosen row with their probabilities."""
        probs_KC = np.asarray(self.pool.probs)[self.rows]
        order_KC = np.argsort(-probs_KC, axis=1, kind="stable")[:, :2]
        shown = [[f"{self.names[c]} ({p[c]:.2f})" for c in order] for p, order in zip(probs_KC, order_KC, strict=True)]
        return [(one[0], one[-1]) for one in shown]


def reasons(strategy: str, chosen: Chosen) -> list[Phrase]:
    """Return a sentence for each chosen row, beginning with the name of the strategy."""
    name = plugins.short_name(strategy)
    needs = set(plugins.load("strategies", strategy).NEEDS)
    usual = _guessed if "probs" in needs else _standing if "embeddings" in needs else _scored
    return [
        say("{strategy}: {sentence}", strategy=name, sentence=sentence) for sentence in _SAY.get(name, usual)(chosen)
    ]


def _hesitating(chosen: Chosen) -> list[Phrase]:
    return [
        say("hesitates between {first} and {second}", first=first, second=second) for first, second in chosen.guesses
    ]


def _interleaved(chosen: Chosen) -> list[Phrase]:
    """Of rows of the smallest margins and random ones in turn: the former are the first of their order, without gap."""
    order_N = chosen.left[np.argsort(margins(np.asarray(chosen.pool.probs)[chosen.left]), kind="stable")]
    is_chosen_N = np.isin(order_N, chosen.rows)
    lead = set(order_N[: len(order_N) if is_chosen_N.all() else int(is_chosen_N.argmin())].tolist())
    return [
        sentence if row in lead else _CHANCE
        for row, sentence in zip(chosen.rows.tolist(), _hesitating(chosen), strict=True)
    ]


def _unlike(chosen: Chosen) -> list[Phrase]:
    return [
        say("unlike the others, and {first} or {second}", first=first, second=second)
        for first, second in chosen.guesses
    ]


def _guessed(chosen: Chosen) -> list[Phrase]:
    return [say("looks like {first}, then {second}", first=first, second=second) for first, second in chosen.guesses]


def _standing(chosen: Chosen) -> list[Phrase]:
    X_ND = np.asarray(chosen.pool.embeddings, dtype=np.float32)
    mean_D = X_ND[chosen.left].mean(axis=0)  # small norms, so that distances are exact in float32
    of_N, _ = nearest(X_ND[chosen.left] - mean_D, X_ND[chosen.rows] - mean_D)
    counts = np.bincount(of_N, minlength=len(chosen.rows)).tolist()
    return [say("of the rows without a label, {count} are nearest to it", count=count) for count in counts]


def _scored(chosen: Chosen) -> list[Phrase]:
    score_of = dict(zip(chosen.selection.rows.tolist(), chosen.selection.score.tolist(), strict=True))
    return [say("score {score:.4g}", score=score_of[row]) for row in chosen.rows.tolist()]


def _random(chosen: Chosen) -> list[Phrase]:
    return [say("drawn at random")] * len(chosen.rows)


_SAY: dict[str, Callable[[Chosen], list[Phrase]]] = {
    "badge": _unlike,
    "margin": _hesitating,
    "mix": _interleaved,
    "random": _random,
}
