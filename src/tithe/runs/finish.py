"""The end of a run: the best weights are evaluated, and everything is written down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tithe import config, storage
from tithe.checkpoints import locate, single_files, store, tensors
from tithe.checkpoints.single_files import save_best
from tithe.data.splits import Splits
from tithe.evaluate.results import write_results
from tithe.models.network import Network
from tithe.progress import bar
from tithe.report import classification_figures, run_page
from tithe.runs.session import Session
from tithe.storage import freeze_proof, run_files
from tithe.storage.run_files import HISTORY
from tithe.track.tracks import RunTracker
from tithe.tune import search


@dataclass(frozen=True)
class Outcome:
    """Where a finished run lies and how good it is."""

    home: Path
    best: Path
    scores: dict[str, Any]


def finish(session: Session, tracks: RunTracker, seconds: float) -> Outcome:
    """Evaluate the best weights on validation and test, write the numbers, the pictures and the report.

    Parameters
    ----------
    seconds
        What training took, the parts before a resume included.
    """
    run, home, main = session.run, session.home, session.accelerator.is_main_process
    best = session.keeper.folder / locate.BEST
    final = tensors.sha256_of_all(session.model.state_dict())
    if run.checkpoint.single_files and main:
        single_files.save_final(home, session.network.whole)
    if best.exists():
        weights = store.weights(best)
        session.model.load_state_dict({name: weights[name] for name in session.model.state_dict()})
    parts = _evaluated(session)
    result = {
        "score": run.checkpoint.best_by,
        "best_val_score": session.best["score"],
        "test_score": parts.get("test", {}).get(run.checkpoint.best_by),
        "best": {"by": run.checkpoint.best_by, **session.best},
        **parts,
        "training": _training(session, seconds, final),
        **search.summary(home),
    }
    if main:
        if best.exists() and (home / run_files.CALIBRATION).exists():
            store.add_file(best, home / run_files.CALIBRATION)
        result |= write_freeze_proof(home, run, session.network, session.splits, best)
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
    return write_results(session.home, session.task, outputs, session.splits.labels, session.run.seed)


def _training(session: Session, seconds: float, final: str) -> dict[str, Any]:
    accelerator, network = session.accelerator, session.network
    history = storage.read_lines(session.home / HISTORY) if accelerator.is_main_process else []
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


def _publish(session: Session, tracks: RunTracker, result: dict[str, Any]) -> None:
    home = session.home
    storage.write_json(home / run_files.METRICS, result)
    for part in ("validation", "test"):
        if part in result:
            for picture in classification_figures.PICTURES:
                tracks.figure(f"{part}/{picture}", home / part / f"{picture}.png")
    tracks.final({f"{p}/{k}": v for p in ("validation", "test") for k, v in result.get(p, {}).items()})
    run_page.write(home)
    tracks.artifact(run_files.METRICS, home / run_files.METRICS)
    tracks.artifact("report.html", home / "report.html")


def write_freeze_proof(home: Path, run: config.Run, network: Network, splits: Splits, best: Path) -> dict[str, Any]:
    """Write the freeze proof and whatever makes the best weights usable by a stranger.

    Parameters
    ----------
    network
        Holds the best weights.
    best
        The best checkpoint; a head that was trained alone gets its encoder there.

    Returns
    -------
    What the run's metrics say of it.
    """
    if run.checkpoint.single_files:
        save_best(home, network.whole, splits)
    elif network.on_features and best.exists():
        store.add_encoder(best, network.encoder())
    if network.proof is None:
        return {}
    proven = network.proof.conclude(network.whole)
    storage.write_json(home / freeze_proof.FILE, proven)
    return {"freeze": {name: proven[name] for name in ("freeze", "verdict", "holds")}}
