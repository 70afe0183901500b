"""The strategy that the data speak for: by bought labels, round by round (T0), or by an inner split of all (T1)."""

from __future__ import annotations

from pydantic import Field

from tithe.config import Ratio, Section
from tithe.console import counted
from tithe.select.buying.evidence import Candidate, Decision, Evidence, InnerSplit

NEEDS = ("embeddings", "probs", "head_probs", "head_labels", "head_penalty")
TRACK = "both"

_NOISE = {"noise": 0.3}


class Options(Section):
    """When a model of bought labels is trusted (T0)."""

    rows_per_class: float = Field(15, ge=0, description="bought rows of a typical class below which a model is blind")
    random: Ratio = Field(0.1, description="share of random rows when it sees")


def candidates(is_frozen: bool) -> tuple[Candidate, ...]:
    """Return what an inner split compares, the default first: subsets that match a head are of use to no other."""
    plain = (Candidate("random"), Candidate("random", _NOISE))
    matched = (Candidate("gradient_match"), Candidate("omp"), Candidate("sensitivity"))
    return (*plain, *matched) if is_frozen else plain


def decide(evidence: Evidence | InnerSplit | None, options: Options) -> Decision:
    """Return who chooses, and why.

    Of bought labels: `typiclust` in the first round and while the model is blind, then `mix` with few random rows. Of
    an inner split: the best candidate, if it beats the default by more than the error of the difference; of those
    within that error of the best, the one of the smallest log loss, which the same rows measure more exactly.
    """
    if isinstance(evidence, InnerSplit):
        return _best(evidence)
    if evidence is None:
        return Decision("typiclust", "no label is known: typical rows of many clusters")
    rows = counted(evidence.rows_per_class, "row")
    known = f"{rows} of a typical class, accuracy {evidence.accuracy:.3f} on bought rows"
    if evidence.rows_per_class < options.rows_per_class:
        return Decision("typiclust", f"{known}: the model is blind, so typical rows of more clusters")
    return Decision("mix", f"{known}: the model sees, so rows that it hesitates about", {"random": options.random})


def _best(inner: InnerSplit) -> Decision:
    default = inner.accuracies[0]
    highest = max(inner.accuracies)
    error = (2 * default * (1 - default) / inner.held_out) ** 0.5  # of a difference of two accuracies, at most
    equal = [place for place, accuracy in enumerate(inner.accuracies) if highest - accuracy <= error]
    best = 0 if 0 in equal else min(equal, key=lambda place: inner.losses[place])
    worth = zip(inner.candidates, inner.accuracies, inner.losses, strict=True)
    shown = ", ".join(f"{candidate.name} {accuracy:.3f} (loss {loss:.3f})" for candidate, accuracy, loss in worth)
    encoder = "a frozen encoder" if inner.is_frozen else "an encoder that is trained"
    reason = f"on {inner.held_out} held-out rows of the pool, for {encoder}: {shown}"
    chosen = inner.candidates[best]
    return Decision(chosen.strategy, reason, {}, chosen.filter)
