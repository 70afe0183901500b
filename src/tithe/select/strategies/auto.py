"""Coverage while the model is blind, hesitation when it sees, and a share of random rows as an insurance."""

from __future__ import annotations

from pydantic import Field

from tithe.config import Ratio, Section
from tithe.select.buying.evidence import Decision, Evidence

NEEDS = ("embeddings", "probs")
TRACK = "T0"


class Options(Section):
    """When a model is trusted."""

    rows_per_class: float = Field(15, ge=0, description="bought rows of a typical class below which a model is blind")
    random: Ratio = Field(0.1, description="share of random rows when it sees")


def decide(evidence: Evidence | None, options: Options) -> Decision:
    """Return `typiclust` in the first round and while the model is blind, then `mix` with few random rows."""
    if evidence is None:
        return Decision("typiclust", "no label is known: typical rows of many clusters")
    known = f"{evidence.rows_per_class:g} rows of a typical class, accuracy {evidence.accuracy:.3f} on bought rows"
    if evidence.rows_per_class < options.rows_per_class:
        return Decision("typiclust", f"{known}: the model is blind, so typical rows of more clusters")
    return Decision("mix", f"{known}: the model sees, so rows that it hesitates about", {"random": options.random})
