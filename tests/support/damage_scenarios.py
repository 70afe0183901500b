"""Small runs, suites and searches to damage: what they leave, and every command that uses it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq

from support.damage import Scenario
from support.photographs import Little, documented, twins
from support.signals import asked_after
from support.texts import make_texts, write_rows
from tithe import compare, config, interrupts, pipeline
from tithe.errors import Interrupted
from tithe.evaluate.checkpoint import Evaluation, evaluate_checkpoint
from tithe.models import tiny
from tithe.predict import load
from tithe.runs import verify
from tithe.runs.finish import Outcome
from tithe.select.suite.grid import Grid
from tithe.select.suite.trials import run_suite
from tithe.tasks import image
from tithe.train import devices
from tithe.tune import search

STOP = 8  # of 12 steps: with a best one at 6, and checkpoints at 4, 6, 8
TEXTS = ["goal team win league", "rocket to the moon", "a star of the season was new"]
_RUN = ("run/**/*",)
_CACHE = ("cache/**/*",)
Raw = dict[str, Any]


def _text(folder: Path, **sections: Any) -> Raw:
    raw: Raw = {
        "name": "damaged",
        "out": str(folder / "run"),
        "data": {"path": str(folder / "rows.parquet"), "test_ratio": 0.1},
        "model": {"encoder": str(folder / "encoder"), "max_length": 16},
        "train": {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "precision": "no", "device": "cpu"},
        "checkpoint": {"every_batches": 4, "keep": 2},
        "track": {"tensorboard": False},
    }
    for name, values in sections.items():
        raw[name] = {**raw.get(name, {}), **values} if isinstance(values, dict) else values
    return raw


def _prepare(folder: Path) -> None:
    texts, labels = make_texts(30)
    folder.mkdir(parents=True)
    write_rows(folder / "rows.parquet", [*texts], [*labels])
    tiny.modernbert(folder / "encoder", iter(texts), hidden_size=32, layers=1, vocabulary=120)


def _train(folder: Path, raw: Raw) -> Outcome:
    with _quick():
        return pipeline.train(config.parse(raw))


def _quick() -> Any:
    """Draw one picture and show it everywhere."""
    from tithe.report.canvas import canvas, png

    blank = png(canvas(1, 1)[0])
    return mock.patch("tithe.report.canvas.png", lambda figure: blank)


def _stopped(folder: Path, raw: Raw, step: int = STOP) -> None:
    with mock.patch.object(interrupts, "StopRequest", asked_after(step)):
        try:
            _train(folder, raw)
        except Interrupted:
            return
    raise AssertionError("the run was not stopped")


def _result(outcome: Outcome) -> dict[str, Any]:
    """What a run gives, without its times."""
    scores = {key: value for key, value in outcome.scores.items() if key not in ("training", "tuning")}
    predictions = [pq.read_table(file).to_pydict() for file in sorted(outcome.home.glob("*/predictions.parquet"))]
    history = (outcome.home / "history.jsonl").read_bytes()
    return {
        "weights": outcome.scores["training"]["final_weights_sha256"],
        **scores,
        "rows": predictions,
        "log": history,
    }


def _resume(raw_of: Callable[[Path], Raw]) -> Callable[[Path], object]:
    def resume(folder: Path) -> object:
        raw = raw_of(folder)
        return _result(_train(folder, {**raw, "checkpoint": {**raw["checkpoint"], "resume": "auto"}}))

    return resume


def _predict(folder: Path) -> object:
    return [p.probabilities for p in load(folder / "run").predict(TEXTS)]


def _evaluate(folder: Path) -> object:
    with _quick():
        return evaluate_checkpoint(load(folder / "run"), Evaluation(checkpoint_path="run"), folder / "out")


def _verify(folder: Path) -> object:
    return verify.verify_run(folder / "run")


def _compare(folder: Path) -> object:
    return compare.compare_runs([folder / "run", folder / "other"]).as_json()


def _again(raw_of: Callable[[Path], Raw]) -> Callable[[Path], object]:
    """Train again from the beginning, with the same cache."""

    def again(folder: Path) -> object:
        shutil.rmtree(folder / "run")
        return _result(_train(folder, raw_of(folder)))

    return again


def _finished(raw_of: Callable[[Path], Raw]) -> Scenario:
    def make(folder: Path) -> None:
        _prepare(folder)
        _train(folder, raw_of(folder))
        shutil.copytree(folder / "run", folder / "other")

    uses = {"predict": _predict, "evaluate": _evaluate, "verify": _verify, "compare": _compare}
    return Scenario(make, _RUN, {**uses, "resume": _resume(raw_of)}, refusing=("verify",))


def _unfinished(raw_of: Callable[[Path], Raw]) -> Scenario:
    def make(folder: Path) -> None:
        _prepare(folder)
        _stopped(folder, raw_of(folder))

    return Scenario(make, _RUN, {"resume": _resume(raw_of)})


def _cached(raw_of: Callable[[Path], Raw]) -> Scenario:
    def make(folder: Path) -> None:
        _prepare(folder)
        _train(folder, raw_of(folder))

    return Scenario(make, _CACHE, {"train again": _again(raw_of)})


def full(folder: Path) -> Raw:
    return _text(folder, train={"ema_decay": 0.5})


def frozen(folder: Path) -> Raw:
    return _text(folder, model={"freeze": "all"})


def single(folder: Path) -> Raw:
    return _text(folder, model={"freeze": "all"}, checkpoint={"single_files": True})


def rounds(folder: Path) -> Raw:
    selection = {"strategy": "entropy_diversity", "budget": 0.5, "rounds": 2, "first": "random"}
    return _text(folder, model={"freeze": "all"}, select=selection)


# ---- images


def _images(folder: Path, **more: Any) -> config.Run:
    return documented(folder / "set", folder / "run", "checkpoint.every_batches=2", epochs=2, **more)


def _train_images(folder: Path, **more: Any) -> Outcome:
    with _quick(), mock.patch.object(image, "Detector", Little):
        return pipeline.train(_images(folder, **more))


def _make_images(folder: Path) -> None:
    twins(folder / "set")
    _train_images(folder)


def _resume_images(folder: Path) -> object:
    return _result(_train_images(folder, resume="auto"))


def _resume_epoch_file(folder: Path) -> object:
    return _result(_train_images(folder, resume=str(folder / "run/latest_model.pt")))


def _predict_images(folder: Path) -> object:
    with mock.patch.object(image, "Detector", Little):
        model = load(folder / "run")
        return model.calibration, model.probabilities(model.task.encode(model.task.load().rows)).tolist()


def _images_again(folder: Path) -> object:
    shutil.rmtree(folder / "run")
    return _result(_train_images(folder))


# ---- suite and search


def _suite(folder: Path) -> object:
    run = config.parse(_text(folder, model={"freeze": "all"}, train={"epochs": 1}))
    results = run_suite(run, Grid(["k_center"], [0.25], [0]), folder / "suite")
    return [{key: value for key, value in r.items() if not key.endswith("_seconds")} for r in results]


def _make_suite(folder: Path) -> None:
    _prepare(folder)
    _suite(folder)


def _search(folder: Path, trials: int = 5) -> object:
    tune = {"trials": trials, "sample": 0.5, "epochs": 1, "learning_rate": [1e-4, 1e-2], "sampler": "tpe"}
    run = config.parse(_text(folder, model={"freeze": "all"}, tune=tune))
    found = search.search(pipeline.check(run), folder / "search", devices.accelerator("cpu", "no"))
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in found.summary["trials"]]


def _make_search(folder: Path) -> None:
    _prepare(folder)
    _search(folder, trials=3)


SCENARIOS: dict[str, Scenario] = {
    "full fine-tuning, finished": _finished(full),
    "full fine-tuning, stopped": _unfinished(full),
    "frozen encoder, finished": _finished(frozen),
    "frozen encoder, stopped": _unfinished(frozen),
    "frozen encoder, its cache": _cached(frozen),
    "single files, finished": _finished(single),
    "selection in rounds, finished": _finished(rounds),
    "selection in rounds, its cache": _cached(rounds),
    "images, finished": Scenario(
        _make_images,
        _RUN,
        {
            "predict": _predict_images,
            "verify": _verify,
            "resume": _resume_images,
            "resume a file": _resume_epoch_file,
        },
        refusing=("verify",),
    ),
    "images, their cache": Scenario(_make_images, _CACHE, {"train again": _images_again}),
    "suite": Scenario(_make_suite, ("suite/**/*", "cache/**/*"), {"suite": _suite}),
    "search": Scenario(_make_search, ("search/**/*",), {"search": _search}),
}
