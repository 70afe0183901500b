"""The end of a run: evaluate the best weights and write every result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tithe import console, storage
from tithe.arrays import Array, Rows
from tithe.checkpoints import single_files, store, tensors
from tithe.evaluate import baseline, details, familiarity
from tithe.evaluate.results import fit_temperature, write_results
from tithe.metrics.temperature import Temperature
from tithe.models.examples import Photographs
from tithe.models.features import Features, computed
from tithe.models.foundation.detector import Foundation
from tithe.progress import bar
from tithe.report import classification_figures, run_page
from tithe.report.result import scores_html
from tithe.runs.session import Session
from tithe.storage import run_files
from tithe.tasks import TextTask
from tithe.track.tracks import RunTracker
from tithe.train.setup import Setup
from tithe.tune import search


@dataclass(frozen=True)
class Outcome:
    """A finished run: its directory, its best checkpoint, its scores. A notebook shows it as a table."""

    home: Path
    best: Path
    scores: dict[str, Any]

    def _repr_html_(self) -> str:
        facts = [("best checkpoint", str(self.best)), ("report", str(self.home / run_files.REPORT))]
        return scores_html(f"run {self.home.name}", self.scores, facts)


def finish(session: Session, tracker: RunTracker, seconds: float) -> Outcome:
    """Evaluate the best weights on validation and test; write metrics, figures and report.

    Parameters
    ----------
    seconds
        Training time, including the parts before a resume.
    """
    run, home, saver = session.run, session.home, session.saver
    merged = session.setup.network.complete()
    best, final_sha256 = saver.best_path, tensors.sha256_of_all(session.model.state_dict())
    if run.checkpoint.single_files and session.is_main:
        single_files.save_final(home, session.setup.network.classifier)
    if saver.best["step"] is not None:
        _load_what_differs(session.model, store.best_weights(best, saver.best))
    parts = _evaluate(session, seconds)
    result = {
        "score": run.checkpoint.best_by,
        "best_val_score": saver.best["score"],
        "test_score": parts.get(run_files.TEST, {}).get(run.checkpoint.best_by),
        "best": {"by": run.checkpoint.best_by, **saver.best},
        **parts,
        "training": _describe_training(session, seconds, final_sha256, merged.parameters),
        **search.summary(home),
    }
    if session.is_main:
        _complete_best(session)
        result |= _write_freeze_proof(session, merged.before)
        _publish(home, tracker, result)
    session.setup.accelerator.wait_for_everyone()
    return Outcome(home, best, result)


def _load_what_differs(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Load weights, and leave those alone that are equal: what is frozen stays mapped from the encoder's file."""
    own = model.state_dict()
    changed = {name: weights[name] for name, value in own.items() if not torch.equal(value.cpu(), weights[name])}
    model.load_state_dict(changed, strict=False)


def _evaluate(session: Session, seconds: float) -> dict[str, Any]:
    """Return the scores of validation and test and write their files; the processes share the rows."""
    outputs, setup = {}, session.setup
    for name, examples in zip(run_files.PARTS, (session.val_examples, session.test_examples), strict=True):
        if len(examples):
            with bar(name, len(examples), "rows") as tick:
                outputs[name] = examples, session.predict(session.model, examples, tick)
    if not session.is_main:
        return {}
    temperature = fit_temperature(session.home, outputs)
    results = write_results(session.home, setup.task, outputs, setup.splits.labels, setup.run.seed, temperature)
    if outputs:
        _write_details(session, {name: values for name, (_, values) in outputs.items()}, temperature, seconds)
    return results


def _write_details(
    session: Session, outputs: Mapping[str, Array], temperature: Temperature | None, seconds: float
) -> None:
    """Write what the report shows beyond scores, of the part of the data that it is about."""
    setup = session.setup
    part = run_files.TEST if run_files.TEST in outputs else run_files.VALIDATION
    rows = setup.splits.test if part == run_files.TEST else setup.splits.val
    values = temperature.apply(outputs[part]) if temperature else outputs[part]
    found = details.describe(setup, rows, setup.task.probabilities(values))
    if scored := _baseline(setup, rows, seconds + session.preparation_seconds):
        found["baseline"] = scored
    found["memory"] = {"process": storage.peak_memory()}
    if setup.accelerator.device.type == "cuda":
        found["memory"]["gpu"] = torch.cuda.max_memory_allocated() // 2**20
    storage.write_text(session.home / run_files.DETAILS, console.safe_json({"part": part, **found}) + "\n")


def _baseline(setup: Setup, rows: Rows, seconds: float) -> dict[str, Any] | None:
    """Return what the instant baseline reaches on rows; None of texts where it would not be instant."""
    own = np.unique(setup.splits.train)
    if isinstance(setup.encoded, Photographs):
        from tithe.evaluate import picture_baseline  # it needs the extra `image`

        return picture_baseline.score(setup.encoded.take(own), setup.encoded.take(rows))
    trained, evaluated = setup.splits.rows.take(own), setup.splits.rows.take(rows)
    if isinstance(setup.task, TextTask) and baseline.is_affordable(trained, evaluated, setup.classes, seconds):
        return baseline.score(trained, evaluated, setup.classes)
    return None


def _describe_training(session: Session, seconds: float, final_sha256: str, in_adapters: int) -> dict[str, Any]:
    accelerator, classifier = session.setup.accelerator, session.setup.network.classifier
    history = session.saver.step_log.records()
    epochs = max((int(r["epoch"]) for r in history if r["kind"] == "val"), default=0)
    return {
        "seconds": round(seconds, 2),
        "preparation_seconds": round(session.preparation_seconds, 2),
        "waited_seconds": round(session.saver.step_log.data_wait_seconds, 2),
        "epochs": epochs,
        "rows_per_second": round(epochs * len(session.train_examples) / seconds, 1) if seconds else None,
        "device": str(accelerator.device),
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
        "parameters": sum(p.numel() for p in classifier.parameters()),
        "parameters_trained": sum(p.numel() for p in classifier.parameters() if p.requires_grad) + in_adapters,
        "final_weights_sha256": final_sha256,
        "split_sha256": session.setup.splits.split.hash,
    }


def _complete_best(session: Session) -> None:
    """Make the best checkpoint self-contained: add the calibration, and the encoder to a head trained on features.

    A detector on an encoder also learns how far from its training images the validation images are.
    """
    home, network, saver = session.home, session.setup.network, session.saver
    is_single = session.run.checkpoint.single_files
    if is_single:
        single_files.save_best(home, network.classifier, session.setup.splits)
    encoder = network.encoder() if network.on_features and not is_single else {}
    calibration = [home / name for name in (run_files.CALIBRATION,) if name in storage.recorded(home)]
    if saver.best["step"] is not None and (encoder or calibration):
        store.extend(saver.best_path, encoder, calibration)
    detector, splits = network.classifier, session.setup.splits
    if isinstance(detector, Foundation) and len(splits.val):
        trained = _features(session, detector, familiarity.sample(splits.split.train))
        held_out = _features(session, detector, familiarity.sample(splits.val))
        familiarity.save(saver.best_path, trained, held_out, detector.pooled, session.run.images.far)


def _features(session: Session, detector: Foundation, rows: Rows) -> Features:
    """Return the features of rows, by the weights that are judged; a head on features has read them."""
    setup, examples = session.setup, session.setup.examples.take(rows)
    if isinstance(examples, Features):
        return examples
    with bar("states", len(rows), "images") as tick:
        return computed(detector, examples, setup.accelerator, setup.task.rows_at_once, tick)


def _write_freeze_proof(session: Session, unmerged: Mapping[str, str]) -> dict[str, Any]:
    """Hash the encoder again and write the proof; return its entry in the run's metrics."""
    network = session.setup.network
    if network.proof is None:
        return {}
    proof = network.proof.compare(network.classifier, unmerged)
    storage.write_json(session.home / run_files.FREEZE_PROOF, proof)
    return {"freeze": {name: proof[name] for name in ("freeze", "verdict", "holds")}}


def _publish(home: Path, tracker: RunTracker, result: dict[str, Any]) -> None:
    storage.write_json(home / run_files.METRICS, result)
    parts = [part for part in run_files.PARTS if part in result]
    for part in parts:
        for picture in classification_figures.PICTURES:
            tracker.figure(f"{part}/{picture}", home / part / f"{picture}.png")
    tracker.final({f"{part}/{name}": value for part in parts for name, value in result[part].items()})
    run_page.write(home)
    for name in (run_files.METRICS, run_files.REPORT):
        tracker.artifact(name, home / name)
