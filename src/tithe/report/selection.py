"""What the page of a run says of its selection: which rows, by which strategy, and why that one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.report.html import Table, read_image
from tithe.report.words import Phrase, say
from tithe.storage import run_files

Json = Mapping[str, Any]  # what a file of the run directory holds


def shown(home: Path) -> dict[str, object] | None:
    """Return what the template names of the selection of a run; None if it trains on all rows."""
    if not (home / run_files.SELECTION_SUMMARY).exists():
        return None
    summary = storage.read_json(home / run_files.SELECTION_SUMMARY)
    sentence = say(
        "{strategy} chose {rows} of {pool} rows, which took {seconds:.1f} s.",
        seconds=sum(summary["seconds"].values()),
        **{key: summary[key] for key in ("strategy", "rows", "pool")},
    )
    return {
        "sentence": sentence,
        "parts": _parts(summary["parts"]) if "parts" in summary else None,
        **_reasons(summary),
        "map": read_image(home / run_files.SELECTION_MAP, say("the selected rows among all")),
        "points": storage.read_json(home / run_files.SELECTION_POINTS),
    }


def _parts(error: Json) -> Phrase:
    """Return how much worse picks in parts cover the rows than picks among all of them, or what matching has missed."""
    if "mismatch" in error:
        return say(
            "The rows were matched in parts: their gradients miss those of all rows by {missed:.3g} of what as many "
            "random rows do.",
            missed=error["mismatch"],
        )
    return say(
        "The rows were compared in parts. Of {sample} sampled rows the farthest is {radius:.4g} from its nearest pick "
        "({best:.4g} if all are compared at once), and the mean cosine similarity to it is {cosine:.4f} ({high:.4f}).",
        sample=error["sample"],
        radius=error["in_parts"]["radius"],
        best=error["at_once"]["radius"],
        cosine=error["in_parts"]["cosine"],
        high=error["at_once"]["cosine"],
    )


def _reasons(summary: Json) -> dict[str, object]:
    """Return why a strategy left the choice to another, from the numbers that decided: a sentence and a table."""
    first, rounds = summary["rounds"][0], summary["rounds"]
    if compared := first.get("evidence", {}).get("candidates"):
        why = say(
            "{strategy} left the choice to {chosen}: what strategies were worth on {rows:,} held-out rows of the pool, "
            "by linear models of the embeddings. Within the error of the best, the first one is taken if it is among "
            "them, else that of the smallest loss.",
            strategy=summary["strategy"],
            chosen=first["strategy"],
            rows=first["evidence"]["held_out"],
        )
        return {"why": why, "reasons": _compared(first["evidence"], compared)}
    if any("reason" in each for each in rounds):
        why = say(
            "{strategy} left the choice of each round to another strategy, by the labels so far.",
            strategy=summary["strategy"],
        )
        return {"why": why, "reasons": _by_round(rounds)}
    return {"why": None, "reasons": None}


def _compared(evidence: Json, candidates: Sequence[Json]) -> Table:
    worth = zip(evidence["accuracies"].values(), evidence["losses"].values(), strict=True)
    names = [_named(each["strategy"], each["filter"]) for each in candidates]
    return Table(
        (say("strategy"), say("accuracy"), "loss"), [(name, *of) for name, of in zip(names, worth, strict=True)]
    )


def _named(strategy: str, filters: Sequence[str]) -> str | Phrase:
    if not filters:
        return strategy
    return say("{strategy} after filter {filters}", strategy=strategy, filters=", ".join(filters))


def _by_round(rounds: Sequence[Json]) -> Table:
    head = (say("round"), say("strategy"), say("rows"), say("labels so far"), say("rows of a typical class"))
    keys = ("bought", "rows_per_class", "accuracy")
    lines = [
        (str(place + 1), each["strategy"], each["rows"], *(each.get("evidence", {}).get(key) for key in keys))
        for place, each in enumerate(rounds)
    ]
    return Table((*head, say("accuracy on bought rows")), lines)
