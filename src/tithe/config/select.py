"""Settings of a selection: which rows are trained on, chosen by what, after which filters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from tithe.config.values import LARGEST, Count, PathStr, Positive, Section, Seed

_Share = Annotated[float, Field(gt=0, lt=1)]


class Filter(Section):
    """Rows left out before a strategy sees the pool."""

    noise: _Share | None = Field(
        None, description="share of each class left out: rows whose own label a model of other rows finds least likely"
    )
    duplicates: _Share | None = Field(
        None, description="cosine similarity of embeddings above which a row is left out as a copy of an earlier one"
    )


class Select(Section):
    """Selection: train on a part of the training rows, chosen by a strategy."""

    strategy: PathStr = Field(
        "random",
        description="name of a strategy, or path of its .py file; 'all' takes every row; scores if scores are set",
    )
    track: Literal["T0", "T1"] = Field(
        "T1", description="T1: all labels are known; T0: labels are bought, and only those of chosen rows are read"
    )
    budget: float = Field(0.1, gt=0, le=1, description="share of the training rows")
    balance: Literal["stratified", "uniform", "none"] = Field(
        "stratified",
        description="how the budget is divided among classes: by size, equally, or not at all; in track T0 among "
        "predicted classes, and not at all when unset",
    )
    floor: Count = Field(1, description="rows that each class gets before anything is scored; 0 in track T0")
    seed: Seed | None = Field(None, description="seed of the strategy's random draws; the run's seed when unset")
    folds: Annotated[int, Field(ge=2, le=1000)] = Field(
        5, description="cross-validation folds, for signals from models that were not trained on the row"
    )
    proxy_runs: Positive = Field(10, description="short proxy runs whose errors are averaged")
    language_model: PathStr | None = Field(
        None, description="causal model (folder or .gguf) for perplexity and ifd; a built-in n-gram model when unset"
    )
    scores: PathStr | None = Field(
        None, description="Parquet file of id, a position in the data, and score, which strategy scores reads"
    )
    rounds: Positive = Field(
        1, description="rounds that share the budget; after each, a model trained on the rows so far scores the rest"
    )
    first: PathStr | None = Field(
        None,
        description="strategy of the first of several rounds, before there is a model; when unset the strategy itself, "
        "or random if it reads a model's probabilities",
    )
    retrain: Literal["fresh", "warm"] = Field(
        "fresh", description="between rounds: train a new model, or go on with that of the round before"
    )
    part_rows: Annotated[int, Field(ge=100, le=LARGEST)] | None = Field(
        None,
        description="rows of a class up to which a strategy that picks compares all of them; more are divided into "
        "parts, and the picks of all parts compared; at best twice the rows of the budget; a strategy that matches is "
        "given the parts of each class one by one; no limit when unset",
    )
    options: dict[str, Any] = Field({}, description="the strategy's own settings, documented in its file")
    filter: Filter = Filter()

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out filters and parts that are not set: selections of versions without them are still the same."""
        values: dict[str, Any] = handler(self)
        if values.get("part_rows", 0) is None:
            del values["part_rows"]
        own = {name: value for name, value in values.pop("filter", {}).items() if value is not None}
        return {**values, **({"filter": own} if own else {})}

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        """By default own scores choose; and where labels are bought, nothing is divided among unknown classes."""
        if not isinstance(values, dict):
            return values
        strategy = {"strategy": "scores"} if values.get("scores") else {}
        unknown = {"balance": "none", "floor": 0} if values.get("track") == "T0" else {}
        return {**strategy, **unknown, **values}
