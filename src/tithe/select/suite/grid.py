"""The grid of a suite: strategies × budgets × seeds, and the controls of each trial."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tithe.errors import InputError
from tithe.report.words import Phrase, say

# wrong: every label of the pool is wrong; help: random rows with the strategy's weights and penalty; reader: another
# model of the same rows; finetune: the encoder trained on them.
CONTROLS = ("wrong", "help", "reader", "finetune")
NOT_OF_ALL = ("wrong", "help")  # on all rows nothing is chosen
HEADS = ("trained", "probe")


@dataclass(frozen=True)
class Trial:
    """One strategy at one budget, with one seed for split, selection and training."""

    strategy: str
    budget: float
    seed: int


@dataclass(frozen=True)
class Grid:
    """The trials of a suite.

    They always include the baseline on all rows, which has one budget, and class-balanced random rows.

    Attributes
    ----------
    equal_steps
        Whether every trial gets as many optimizer steps as the baseline; otherwise as many epochs.
    options
        Of strategies, by `option` or `strategy.option`, over those of the config; see `options.by_strategy`.
    reader
        Encoder of the control `reader`, as `model.encoder`; words by TF-IDF when None.
    head
        Of a frozen encoder: trained as the config says, or a `probe`, a logistic regression whose penalty each trial
        chooses on its own rows.
    controls
        Those of `CONTROLS` that are measured besides, to tell what an accuracy is worth.
    """

    strategies: Sequence[str]
    budgets: Sequence[float]
    seeds: Sequence[int]
    equal_steps: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    controls: Sequence[str] = ()
    head: str = "trained"
    reader: str | None = None

    def __post_init__(self) -> None:
        """Refuse a budget or seed given twice: its trials would make differences look more certain than they are."""
        for name, values in (("budgets", self.budgets), ("seeds", self.seeds)):
            if twice := [value for value in values if values.count(value) > 1]:
                raise InputError(f"{name} {', '.join(map(str, values))}: write {twice[0]} once")

    @property
    def training(self) -> Phrase:
        """How the trials were trained, in words."""
        if self.head == "probe":
            return say("a logistic regression each, its penalty chosen on its own rows")
        if self.equal_steps:
            return say("as many optimizer steps as on all rows")
        return say("as many epochs as on all rows")

    @property
    def all_strategies(self) -> list[str]:
        """The strategies, the two that are always included first."""
        return list(dict.fromkeys(["all", "random", *self.strategies]))

    def trials(self) -> Iterator[Trial]:
        """Yield every combination, seed by seed."""
        for seed, name in itertools.product(self.seeds, self.all_strategies):
            for budget in [1.0] if name == "all" else self.budgets:
                yield Trial(name, budget, seed)
