"""How a run learned: its history as interactive curves; `templates/curves.js` says what they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tithe.report.classification_figures import smoothed
from tithe.report.words import Phrase, both, say

Records = Sequence[Mapping[str, Any]]  # of history.jsonl

_MOST = 600  # points of a curve
_SCORES = {"f1": say("validation F1, macro"), "accuracy": say("validation accuracy"), "auc": say("validation AUC")}
_RATES = 4  # learning rates that have a curve of their own


def chart(history: Records, seconds: float) -> dict[str, Any]:
    """Return the curves of a run: loss, scores, learning rate, by optimizer step or by time.

    Parameters
    ----------
    seconds
        Training time. The history has no times: the time of a step is its share of this.
    """
    steps, checks = ([record for record in history if record["kind"] == kind] for kind in ("train", "val"))
    last = max((int(record["step"]) for record in history), default=1)
    unit, each = ("min", seconds / 60 / last) if seconds >= 180 else ("s", seconds / last)

    def curve(name: str | Phrase, records: Records, values: Sequence[float | None], **how: object) -> dict[str, Any]:
        kept = range(0, len(records), -(-len(records) // _MOST) or 1)
        x = [int(records[place]["step"]) for place in kept]
        x_of = {"step": x, "time": [_rounded(step * each) for step in x]}
        return {"name": both(name), "x": x_of, "y": [_rounded(values[place]) for place in kept], **how}

    losses = [record["batch_loss"] for record in steps]
    loss = [
        curve(say("training loss of single batches"), steps, losses, color=0, look="faint"),
        curve(say("training loss, smoothed"), steps, smoothed(losses), color=0),
        curve(say("validation loss"), checks, [record.get("loss") for record in checks], color=1, look="points"),
    ]
    scores = [
        curve(text, checks, [record.get(name) for record in checks], color=place + 2, look="points")
        for place, (name, text) in enumerate(_SCORES.items())
        if any(name in record for record in checks)
    ]
    groups: dict[tuple[float, ...], str] = {}  # layers may share a rate
    for name in (name for record in steps[:1] for name in record if name.startswith("lr_")):
        groups.setdefault(tuple(record[name] for record in steps), name)
    rates = [
        curve(_of_group(name, len(groups)), steps, values, color=place)
        for place, (values, name) in enumerate(list(groups.items())[:_RATES])
    ]
    panels = [
        {"label": both(say("loss")), "zero": True, "curves": [each for each in loss if each["y"]]},
        {"label": both(say("scores")), "least": 0.1, "curves": scores},
        {"label": both(say("learning rate")), "zero": True, "curves": rates},
    ]
    labels = {"step": say("optimizer step"), "time": say("seconds") if unit == "s" else say("minutes")}
    return {
        "axes": [{"key": key, "label": both(label)} for key, label in labels.items()],
        "panels": [panel for panel in panels if panel["curves"]],
    }


def _of_group(name: str, groups: int) -> Phrase:
    return say("learning rate") if groups == 1 else say("group {number}", number=name.removeprefix("lr_"))


def _rounded(value: float | None) -> float | None:
    """Return a value with five digits; None where JSON has no number for it."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return float(f"{value:.5g}")
