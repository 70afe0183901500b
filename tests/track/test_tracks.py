"""The local history is the truth; mirrors may fail and the run goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tithe import config, pipeline, plugins, storage
from tithe.errors import InputError, Interrupted
from tithe.storage.run_files import HISTORY
from tithe.track.tracks import RunTracker


class Mirror:
    """A tracker that records its calls, and raises where it is asked to."""

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.recorded: list[tuple[str, tuple[Any, ...]]] = []
        self.settings: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Callable[..., None]:
        def tell(*values: Any) -> None:
            self.recorded.append((name, values))
            if name == self.fails_at:
                raise ConnectionError("the server is gone\nand more")

        return tell

    def open(self, home: Path, settings: dict[str, Any], name: str) -> Mirror:
        self.settings = settings
        if self.fails_at == "open":
            raise ConnectionError("no such host")
        return self

    def names(self) -> list[str]:
        return [name for name, _ in self.recorded]


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand-ins for the leaves of `trackers/`, by name."""
    leaves: dict[str, Any] = {}
    real = plugins.load
    monkeypatch.setattr(plugins, "load", lambda family, name: leaves.get(name) or real(family, name))
    return leaves


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.WARNING, logger="tithe")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def lines(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / HISTORY).read_text(encoding="utf-8").splitlines()]


def test_every_record_is_a_line_without_a_clock(tmp_path: Path) -> None:
    with RunTracker({}, tmp_path, "run") as tracks:
        tracks.params({"seed": 1})
        tracks.log("train", 5, epoch=1, batch_loss=0.5)
        tracks.log("val", 6, epoch=1, f1=0.25, note="да")
        expected = [
            {"kind": "train", "step": 5, "epoch": 1, "batch_loss": 0.5},
            {"kind": "val", "step": 6, "epoch": 1, "f1": 0.25, "note": "да"},
        ]
        assert lines(tmp_path) == expected, "a killed run would have lost them"
        tracks.final({"test/f1": 0.5})
    assert lines(tmp_path) == expected


def test_a_resumed_run_drops_what_it_will_write_again(tmp_path: Path) -> None:
    with RunTracker({}, tmp_path, "run") as tracks:
        for step in range(1, 6):
            tracks.log("train", step, batch_loss=step)
    with (tmp_path / HISTORY).open("a") as file:
        file.write('{"kind": "train", "st')  # killed in the middle of a line
    with RunTracker({}, tmp_path, "run", resume_step=3) as tracks:
        tracks.log("train", 4, batch_loss=40)
    assert [(r["step"], r["batch_loss"]) for r in lines(tmp_path)] == [(1, 1), (2, 2), (3, 3), (4, 40)]


def test_a_new_run_starts_an_empty_history(tmp_path: Path) -> None:
    (tmp_path / HISTORY).write_text('{"kind": "train", "step": 1}\n')
    RunTracker({}, tmp_path, "run").close("finished")
    assert lines(tmp_path) == []


def test_a_process_that_is_not_the_first_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with RunTracker({"tensorboard": {}}, None, "run") as tracks:
        tracks.log("train", 1, batch_loss=1.0)
    assert list(tmp_path.iterdir()) == []


def test_mirrors_hear_numbers_as_kind_and_name(tmp_path: Path, mirrors: dict[str, Any]) -> None:
    mirrors["one"] = Mirror()
    with RunTracker({"one": {"project": "p"}}, tmp_path, "run") as tracks:
        tracks.params({"seed": 1})
        tracks.log("val", 6, epoch=1, f1=0.25, note="text", flag=True)
        tracks.figure("test/roc", tmp_path / "roc.png")
        tracks.final({"test/f1": 0.5, "test/per_class": []})
        tracks.artifact("report.html", tmp_path / "report.html")
    assert mirrors["one"].settings == {"project": "p", "resume_step": 1}
    assert mirrors["one"].recorded == [
        ("params", ({"seed": 1},)),
        ("scalars", ({"val/epoch": 1.0, "val/f1": 0.25}, 6)),
        ("figure", ("test/roc", tmp_path / "roc.png")),
        ("scalars", ({"final/test/f1": 0.5}, 6)),
        ("artifact", ("report.html", tmp_path / "report.html")),
        ("close", ("finished",)),
    ]


def test_mirrors_of_a_resumed_run_learn_the_first_step_they_may_see_again(
    tmp_path: Path, mirrors: dict[str, Any]
) -> None:
    mirrors["one"] = Mirror()
    RunTracker({"one": {}}, tmp_path, "run", resume_step=3).close("finished")
    assert mirrors["one"].settings == {"resume_step": 4}


@pytest.mark.parametrize("fails_at", ["open", "params", "scalars", "figure", "artifact", "close"])
def test_a_mirror_that_fails_warns_once_and_nothing_else_stops(
    tmp_path: Path, mirrors: dict[str, Any], warned: Callable[[], list[str]], fails_at: str
) -> None:
    mirrors["bad"], mirrors["good"] = Mirror(fails_at), Mirror()
    with RunTracker({"bad": {}, "good": {}}, tmp_path, "run") as tracks:
        tracks.params({})
        for step in (1, 2):
            tracks.log("train", step, batch_loss=1.0)
            tracks.figure("f", tmp_path)
            tracks.artifact("a", tmp_path)
    assert len(lines(tmp_path)) == 2
    (warning,) = warned()
    assert warning.startswith("tracker bad failed") and "\n" not in warning
    assert mirrors["bad"].names().count(fails_at) == (fails_at != "open"), "it was called again after its failure"
    everything = ["params", *["scalars", "figure", "artifact"] * 2, "close"]
    assert mirrors["good"].names() == everything


def test_wrong_settings_of_a_mirror_stop_the_run_before_it_starts(tmp_path: Path, mirrors: dict[str, Any]) -> None:
    def refuse(*_: object) -> None:
        raise InputError("neptune.env_path: no file 'x'")

    mirrors["good"], mirrors["wrong"] = Mirror(), SimpleNamespace(open=refuse)
    with pytest.raises(InputError, match="no file 'x'"):
        RunTracker({"good": {}, "wrong": {}}, tmp_path, "run")
    assert mirrors["good"].recorded == [("close", ("failed",))]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "finished"),
        (ValueError("x"), "failed"),
        (Interrupted(15, "stopped after step 1"), "stopped"),
        (KeyboardInterrupt(), "stopped"),
    ],
)
def test_mirrors_learn_how_the_run_ended(
    tmp_path: Path, mirrors: dict[str, Any], error: BaseException | None, status: str
) -> None:
    mirrors["one"] = Mirror()
    with pytest.raises(type(error)) if error else nullcontext(), RunTracker({"one": {}}, tmp_path, "run") as tracks:
        tracks.log("train", 1, batch_loss=1.0)
        if error:
            raise error
    assert mirrors["one"].recorded[-1] == ("close", (status,))
    assert len(lines(tmp_path)) == 1


def test_a_run_leaves_readable_event_files_and_a_neptune_record(
    settings: Callable[..., dict[str, object]], warned: Callable[[], list[str]]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    secret = "eyJhcGlfYWRkcmVzcyI6-do-not-store"
    neptune = {"project": "us/tithe", "api_token": secret, "experiment_name": "first", "tags": ["a", "b"]}
    raw = settings(train={"epochs": 1, "log_every_steps": 2}, track={"tensorboard": True, "neptune": neptune})
    home = pipeline.train(config.parse(raw)).home
    history = lines(home)
    scores = json.loads((home / "metrics.json").read_text())

    reader = EventAccumulator(str(home / "tensorboard"))
    reader.Reload()
    logged = [(r["step"], r["batch_loss"]) for r in history if r["kind"] == "train"]
    seen = [(e.step, e.value) for e in reader.Scalars("train/batch_loss")]
    assert [step for step, _ in seen] == [step for step, _ in logged] == [2, 4, 6, 8, 10, 12]
    assert [value for _, value in seen] == pytest.approx([value for _, value in logged])
    assert reader.Scalars("val/f1")[0].value == pytest.approx(scores["best"]["score"])
    assert reader.Scalars("final/test/accuracy")[0].value == pytest.approx(scores["test"]["accuracy"])
    assert {"validation/roc_curve", "test/confusion_matrix"} <= set(reader.Tags()["images"])

    (record,) = (home / ".neptune/offline").iterdir()
    operations = [json.loads(line)["obj"] for log in record.glob("data-*.log") for line in log.read_text().splitlines()]
    paths = {"/".join(operation["path"]) for operation in operations}
    assert {"train/batch_loss", "val/f1", "figures/test/roc_curve", "artifacts/report.html", "status"} <= paths
    assert any(path.startswith("parameters/train") for path in paths)

    assert any("closed" in warning for warning in warned())
    leaks = [p for p in home.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    assert leaks == []
    assert storage.broken_files(home) == [], "the mirrors wrote after the manifest"


def test_a_run_whose_mirror_dies_ends_as_one_without(
    settings: Callable[..., dict[str, object]], mirrors: dict[str, Any], warned: Callable[[], list[str]], tmp_path: Path
) -> None:
    def final_weights(out: str, tensorboard: bool) -> str:
        raw = settings(out=str(tmp_path / out), train={"epochs": 1}, track={"tensorboard": tensorboard})
        return pipeline.train(config.parse(raw)).scores["training"]["final_weights_sha256"]

    mirrors["tensorboard"] = Mirror("scalars")
    assert final_weights("mirrored", True) == final_weights("alone", False)
    assert (tmp_path / "mirrored" / HISTORY).read_bytes() == (tmp_path / "alone" / HISTORY).read_bytes()
    assert len(warned()) == 1
