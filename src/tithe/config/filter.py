"""Filters: which rows are left out before a strategy sees the pool."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tithe.config.values import Section

_Share = Annotated[float, Field(gt=0, lt=1)]


class Filter(Section):
    """Rows left out before a strategy sees the pool."""

    noise: _Share | None = Field(
        None, description="share of each class left out: rows whose own label a model of other rows finds least likely"
    )
    duplicates: _Share | None = Field(
        None, description="cosine similarity of embeddings above which a row is left out as a copy of an earlier one"
    )
