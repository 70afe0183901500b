"""A resume goes on from what the run wrote: its history to the byte, and the best weights of its checkpoint."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.features import predicted
from support.runs import run, sha, with_out
from support.signals import asked_after
from tithe import interrupts, storage
from tithe.checkpoints import locate, store
from tithe.errors import InputError, Interrupted, TitheError
from tithe.runs import finish, verify

Settings = Callable[..., dict[str, Any]]
STOP = 20  # of 24 steps; validated at 12 and 24


@pytest.fixture
def raw(settings: Settings, tmp_path: Path) -> dict[str, Any]:
    return with_out(settings(train={"log_every_steps": 1}), tmp_path / "run", keep=9)


@pytest.fixture
def stopped(raw: dict[str, Any], tmp_path: Path) -> Path:
    """A run that was stopped after its first best checkpoint."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "StopRequest", asked_after(STOP))
        run(raw)
    return tmp_path / "run"


def resumed(raw: dict[str, Any], **changes: Any) -> Any:
    return run({**raw, "checkpoint": {**raw["checkpoint"], "resume": "auto", **changes}})


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


# ---- the history


def test_a_checkpoint_knows_its_part_of_the_history(stopped: Path) -> None:
    for folder in locate.all_in(stopped / "checkpoints"):
        saved = store.progress(folder)
        records = storage.read_lines(stopped / "history.jsonl", saved["history"]["bytes"])
        assert storage.begins_with(stopped / "history.jsonl", storage.Extent(**saved["history"]))
        assert records[-1]["step"] == saved["step"]


CHANGES: dict[str, Callable[[Path], object]] = {
    "a number": lambda file: edit(file, lambda lines: [lines[0].replace("0.", "1.", 1), *lines[1:]]),
    "a line left out": lambda file: edit(file, lambda lines: lines[1:]),
    "two lines exchanged": lambda file: edit(file, lambda lines: [lines[1], lines[0], *lines[2:]]),
    "no JSON in the middle": lambda file: edit(file, lambda lines: [lines[0], "{\n", *lines[1:]]),
    "cut": lambda file: edit(file, lambda lines: lines[:5]),
    "emptied": lambda file: file.write_text(""),
    "gone": lambda file: file.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_history_that_is_not_what_was_written_is_refused(change: str, raw: dict[str, Any], stopped: Path) -> None:
    CHANGES[change](stopped / "history.jsonl")
    before = {path: path.stat().st_mtime_ns for path in stopped.rglob("*")}
    with pytest.raises(InputError, match=r"history.jsonl is not the history that checkpoint .*0020 was") as error:
        resumed(raw)
    assert "\n" not in str(error.value) and {path: path.stat().st_mtime_ns for path in stopped.rglob("*")} == before


def test_what_was_written_after_the_checkpoint_is_cut_off(raw: dict[str, Any], stopped: Path, tmp_path: Path) -> None:
    with (stopped / "history.jsonl").open("a") as file:
        file.write('{"kind": "train", "step": 3}\n{"kind": "train", "step": 21, "batch_loss": 7.0}\n{"kind"')
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert sha(resumed(raw)) == sha(whole)
    assert (stopped / "history.jsonl").read_bytes() == (whole.home / "history.jsonl").read_bytes()


def test_a_history_changed_while_the_run_wrote_it_ends_the_run(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = finish.finish

    def changed(*arguments: Any) -> Any:
        edit(tmp_path / "run/history.jsonl", lambda lines: [lines[0].replace("0.", "1.", 1), *lines[1:]])
        return real(*arguments)

    monkeypatch.setattr("tithe.pipeline.finish", changed)
    with pytest.raises(TitheError, match=r"history.jsonl was changed while the run wrote it"):
        run(raw)
    assert not (tmp_path / "run/manifest.json").exists()


def test_a_checkpoint_of_an_earlier_version_keeps_the_records_up_to_its_step(
    raw: dict[str, Any], stopped: Path, tmp_path: Path
) -> None:
    for folder in locate.all_in(stopped / "checkpoints"):
        progress = {key: value for key, value in store.progress(folder).items() if key not in ("history", "files")}
        storage.write_json(folder / "state.json", progress)
        hashes = storage.read_manifest(folder) or {}
        storage.write_manifest(folder, {**hashes, "state.json": storage.sha256_file(folder / "state.json")})
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert sha(resumed(raw)) == sha(whole)
    assert (stopped / "history.jsonl").read_bytes() == (whole.home / "history.jsonl").read_bytes()


# ---- the best weights


@pytest.mark.parametrize("damage", [flip, lambda path: shutil.rmtree(path.parent)], ids=["one bit", "gone"])
def test_lost_best_weights_are_trained_again(
    damage: Callable[[Path], object],
    raw: dict[str, Any],
    stopped: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "tithe")
    whole = run({**raw, "out": str(tmp_path / "whole")})
    damage(stopped / "checkpoints/best/model.pt")
    outcome = resumed(raw)
    assert "resuming after step 10" in caplog.text and "the best weights of checkpoint" in caplog.text
    assert sha(outcome) == sha(whole) and predicted(outcome.home, "validation") == predicted(whole.home, "validation")
    assert (outcome.home / "history.jsonl").read_bytes() == (whole.home / "history.jsonl").read_bytes()
    verify.verify_run(outcome.home)


def test_best_weights_that_nothing_brings_back_are_an_error(raw: dict[str, Any], stopped: Path) -> None:
    flip(stopped / "checkpoints/best/model.pt")
    for step in ("step_00000005", "step_00000010"):
        shutil.rmtree(stopped / "checkpoints" / step)
    with pytest.raises(InputError, match=r"checkpoints/best is missing or damaged, and no checkpoint in") as error:
        resumed(raw)
    assert "\n" not in str(error.value)


def test_best_weights_damaged_before_the_end_are_not_evaluated(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = finish.finish

    def damaged(*arguments: Any) -> Any:
        flip(tmp_path / "run/checkpoints/best/model.pt")
        return real(*arguments)

    monkeypatch.setattr("tithe.pipeline.finish", damaged)
    with pytest.raises(TitheError, match=r"the best checkpoint .* is damaged \(model.pt\): '--resume auto' trains it"):
        run(raw)
    assert not (tmp_path / "run/metrics.json").exists() and not (tmp_path / "run/manifest.json").exists()
    monkeypatch.undo()
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert resumed(raw).scores["validation"] == whole.scores["validation"]


def test_best_weights_come_along_to_another_directory(
    settings: Settings, stopped: Path, raw: dict[str, Any], tmp_path: Path
) -> None:
    slow = {**raw, "train": {**raw["train"], "learning_rate": 1e-3}}
    before = store.progress(stopped / "checkpoints/best")["best"]
    outcome = run(
        {
            **slow,
            "out": str(tmp_path / "elsewhere"),
            "checkpoint": {**raw["checkpoint"], "resume": str(stopped / "checkpoints/step_00000020")},
        }
    )
    whole = run({**slow, "out": str(tmp_path / "whole")})
    assert outcome.scores["best"] == whole.scores["best"] and before["step"] == 12
    assert predicted(outcome.home, "validation") == predicted(whole.home, "validation")


# ---- the manifest of a run


def test_a_manifest_is_what_was_written_not_what_is_found(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = finish.finish

    def changed(*arguments: Any) -> Any:
        outcome = real(*arguments)
        for name in ("config.json", "validation/metrics.json", "checkpoints/best/model.pt"):
            flip(outcome.home / name)
        (outcome.home / "best_model.pt").write_bytes(b"somebody's")
        return outcome

    monkeypatch.setattr("tithe.pipeline.finish", changed)
    home = run(raw).home
    changed_files = {"config.json", "validation/metrics.json", "checkpoints/best/model.pt"}
    assert set(storage.broken_files(home, exclusive=False)) == changed_files
    assert "best_model.pt" not in json.loads((home / "manifest.json").read_text())


def test_changed_assets_end_a_run_at_its_next_checkpoint(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = finish.Session.tracker

    def changed(session: Any) -> Any:
        flip(session.home / "assets/tokenizer/tokenizer.json")
        return real(session)

    monkeypatch.setattr(finish.Session, "tracker", changed)
    with pytest.raises(TitheError, match=r"assets has changed since it was written: tokenizer/tokenizer.json"):
        run(raw)
