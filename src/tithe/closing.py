"""The end of a run: the best weights are evaluated, and everything is written down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tithe import artifacts, checkpoint, figures, judging, records, report, tensors, tuning
from tithe.progress import bar
from tithe.session import Session
from tithe.tracking import HISTORY, Tracks


@dataclass(frozen=True)
class Outcome:
    """Where a finished run lies and how good it is."""

    home: Path
    best: Path
    scores: dict[str, Any]


def conclude(session: Session, tracks: Tracks, seconds: float) -> Outcome:
    """Evaluate the best weights on validation and test, write the numbers, the pictures and the report.

    Parameters
    ----------
    seconds
        What training took, the parts before a resume included.
    """
    run, home, main = session.run, session.home, session.accelerator.is_main_process
    best = session.keeper.folder / checkpoint.BEST
    final = tensors.sha256_of_all(session.model.state_dict())
    if run.checkpoint.single_files and main:
        artifacts.final(home, session.network)
    if best.exists():
        weights = checkpoint.weights(best)
        session.model.load_state_dict({name: weights[name] for name in session.model.state_dict()})
    parts = _evaluated(session)
    result = {
        "score": run.checkpoint.best_by,
        "best_val_score": session.best["score"],
        "test_score": parts.get("test", {}).get(run.checkpoint.best_by),
        "best": {"by": run.checkpoint.best_by, **session.best},
        **parts,
        "training": _training(session, seconds, final),
        **tuning.outcome(home),
    }
    if main:
        if best.exists() and (home / judging.CALIBRATION).exists():
            checkpoint.add_file(best, home / judging.CALIBRATION)
        result |= artifacts.conclude(home, run, session.network, session.splits, best)
        _publish(session, tracks, result)
    session.accelerator.wait_for_everyone()
    return Outcome(home, best, result)


def _evaluated(session: Session) -> dict[str, Any]:
    """Scores of validation and test, with the files that show them; every process takes its share of the rows."""
    outputs = {}
    for name, examples in (("validation", session.val), ("test", session.test)):
        if len(examples):
            with bar(name, len(examples), "rows") as tick:
                outputs[name] = examples, session.outputs(session.model, examples, tick)
    if not session.accelerator.is_main_process:
        return {}
    return judging.write(session.home, session.task, outputs, session.splits.labels, session.run.seed)


def _training(session: Session, seconds: float, final: str) -> dict[str, Any]:
    accelerator, network = session.accelerator, session.network
    history = records.read_lines(session.home / HISTORY) if accelerator.is_main_process else []
    epochs = max((int(r["epoch"]) for r in history if r["kind"] == "val"), default=0)
    return {
        "seconds": round(seconds, 2),
        "preparation_seconds": round(session.prepared, 2),
        "waited_seconds": round(session.idle, 2),
        "epochs": epochs,
        "rows_per_second": round(epochs * len(session.train) / seconds, 1) if seconds else None,
        "device": str(accelerator.device),
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
        "parameters": sum(p.numel() for p in network.whole.parameters()),
        "parameters_trained": sum(p.numel() for p in network.whole.parameters() if p.requires_grad),
        "final_weights_sha256": final,
        "split_sha256": session.splits.split.hash,
    }


def _publish(session: Session, tracks: Tracks, result: dict[str, Any]) -> None:
    home = session.home
    records.write_json(home / artifacts.METRICS, result)
    for part in ("validation", "test"):
        if part in result:
            for picture in figures.PICTURES:
                tracks.figure(f"{part}/{picture}", home / part / f"{picture}.png")
    tracks.final({f"{p}/{k}": v for p in ("validation", "test") for k, v in result.get(p, {}).items()})
    report.write(home)
    tracks.artifact(artifacts.METRICS, home / artifacts.METRICS)
    tracks.artifact("report.html", home / "report.html")
