"""A budget spent in rounds: each chooses more of the remaining rows, scored by a model of the rows chosen so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tithe import config, plugins
from tithe.arrays import Array, Rows
from tithe.console import counted
from tithe.engines import Engine
from tithe.errors import InputError
from tithe.select.answers import ask
from tithe.select.budget import budget_rows, quotas
from tithe.select.buying.evidence import Decision, Evidence
from tithe.select.pool import Pool
from tithe.select.selection import Selection, select
from tithe.select.settings import EMBEDDINGS, PREDICTIONS, first_strategy, parse_options, strategies_of
from tithe.select.strategies import Decides, Matches


@dataclass(frozen=True)
class History:
    """The rows chosen so far, in the order of choice.

    Attributes
    ----------
    rows, scores, rounds
        Positions in the pool, the strategy's score of each, and its round from 0; all of shape (K,).
    weights
        As of a `Selection`.
    """

    rows: Rows
    scores: Array
    rounds: Rows
    weights: Array

    @classmethod
    def empty(cls) -> History:
        """Return the history before the first round."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0))

    @property
    def done(self) -> int:
        """Rounds that are over."""
        return int(self.rounds[-1]) + 1 if len(self.rounds) else 0

    def as_json(self) -> dict[str, list[float]]:
        """Return plain lists of numbers."""
        return {name: getattr(self, name).tolist() for name in ("rows", "scores", "rounds", "weights")}

    @classmethod
    def from_json(cls, values: dict[str, list[float]]) -> History:
        """Return what `as_json` wrote."""
        rows, rounds = (np.array(values[name], dtype=np.int64) for name in ("rows", "rounds"))
        return cls(rows, np.array(values["scores"]), rounds, np.array(values["weights"]))

    def selection(self) -> Selection:
        """Return all rows as one selection; earlier rounds rank first."""
        by_row = np.argsort(self.rows)
        return Selection(self.rows[by_row], by_row, self.scores[by_row], self.rounds[by_row], self.weights[by_row])


def totals(rows: int, settings: config.Select) -> list[int]:
    """Return how many rows are chosen after each round: even shares, the last the whole budget.

    Raises
    ------
    InputError
        There are more rounds than rows to choose.
    """
    count = budget_rows(rows, settings.budget)
    if settings.rounds > count:
        raise InputError(
            f"select.rounds {settings.rounds} is more than the {counted(count, 'row')} of the budget: lower it"
        )
    return [count * (number + 1) // settings.rounds for number in range(settings.rounds)]


def check_budget(labels_N: Rows, settings: config.Select) -> None:
    """Check that a budget gives each class its floor in every round, before anything is computed for the choice.

    Parameters
    ----------
    labels_N
        Class indices of the rows to choose from, shape (N,).

    Raises
    ------
    InputError
        It is too small.
    """
    if settings.strategy == "all":
        return
    first, *_ = totals(len(labels_N), settings)  # later rounds have more rows
    try:
        quotas(labels_N, first, settings.balance, settings.floor)
    except InputError as error:
        where = f"select.rounds {settings.rounds}, in the first of them: " if settings.rounds > 1 else ""
        raise InputError(f"{where}{error}") from None


def embeddings_change(run: config.Run) -> bool:
    """Say whether a model trained between rounds has other embeddings: its encoder is trained, and they are of it."""
    return run.model.freeze != "all" and run.data.embeddings is None


def learns(strategy: str, embeddings_change: bool) -> bool:
    """Say whether a strategy reads anything that the model trained between rounds changes, and can use it.

    One that matches all rows at once can't: it knows no rows of earlier rounds.

    Raises
    ------
    InputError
        The strategy does not exist.
    """
    changed = PREDICTIONS | EMBEDDINGS if embeddings_change else PREDICTIONS
    module = plugins.load("strategies", strategy)
    return not (isinstance(module, Matches) or changed.isdisjoint(module.NEEDS))


def check_rounds(settings: config.Select, embeddings_change: bool) -> None:
    """Refuse rounds between which models would be trained for nothing.

    Raises
    ------
    InputError
        The strategy reads nothing that changes between rounds; or it, or that of the first round, does not exist.
    """
    for name in strategies_of(settings):
        plugins.load("strategies", name)
    if settings.rounds == 1 or settings.strategy == "all" or learns(settings.strategy, embeddings_change):
        return
    if isinstance(plugins.load("strategies", settings.strategy), Matches):
        name = plugins.short_name(settings.strategy)
        raise InputError(f"select.rounds {settings.rounds} with {name}, which chooses all rows at once: set it to 1")
    needs = plugins.load("strategies", settings.strategy).NEEDS
    reads = ", ".join(f"fixed {need}" if need in EMBEDDINGS else need for need in needs) or "no signal"
    raise InputError(
        f"select.rounds {settings.rounds} with {plugins.short_name(settings.strategy)}: it reads {reads}, which no "
        f"model trained between rounds changes: set select.rounds to 1, or choose a strategy that reads probs, such as "
        f"entropy_diversity"
    )


def strategy_of(settings: config.Select, number: int) -> str:
    """Return the strategy of a round: before any model was trained, one that needs none."""
    return first_strategy(settings) if settings.rounds > 1 and number == 0 else settings.strategy


def decision_of(settings: config.Select, number: int, evidence: Evidence | None) -> Decision:
    """Return which strategy chooses the rows of a round, and why; see `strategies.Decides`.

    Raises
    ------
    InputError
        An option is not valid.
    """
    name = strategy_of(settings, number)
    module, options = plugins.load("strategies", name), settings.options if name == settings.strategy else {}
    if not isinstance(module, Decides):
        return Decision(name, "", options)
    own = parse_options(module, settings.model_copy(update={"options": options}))
    return ask(module, name, "decide", evidence, own).decision()


def choose_round(
    pool: Pool,
    settings: config.Select,
    seed: int,
    history: History,
    evidence: Evidence | None = None,
    engine: Engine | None = None,
) -> History:
    """Choose the rows of the next round from those that are left.

    Rounds never share a row and sum to the budget exactly; one round is the selection without rounds. The engine is
    that of `selection.select`.

    Raises
    ------
    InputError
        As `selection.select`.
    """
    number = history.done
    decision = decision_of(settings, number, evidence)
    own = settings.model_copy(update={"strategy": decision.strategy, "options": dict(decision.options)})
    chosen = select(pool, own, seed, history.rows, totals(len(pool), settings)[number], engine)
    order = np.argsort(chosen.rank)
    return History(
        np.concatenate([history.rows, chosen.rows[order]]),
        np.concatenate([history.scores, chosen.score[order]]),
        np.concatenate([history.rounds, np.full(len(chosen), number, dtype=np.int64)]),
        np.concatenate([history.weights, chosen.weight[order]]),
    )
