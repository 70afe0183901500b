"""Features of a frozen encoder, stopped on the way: nothing is lost by a kill, and nothing is done twice."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import processes
from support.features import HIT, numbers, stored, unfinished
from support.runs import built, run, sha, wait_for
from support.texts import make_texts, write_rows
from tithe import storage
from tithe.errors import TitheError
from tithe.evaluate import details
from tithe.models import features, inference
from tithe.storage import cache

Settings = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("no_look_at_padding")


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "tithe")
    return caplog


# ---- stopped on the way


# In a process of its own, batches of eight rows, slow enough to be stopped among them: the command, or as much of a run
# as comes before its training.
SLOW = """
import sys, time
from tithe.models import features
from tithe.models import inference
features._SECONDS_BETWEEN_SYNCS, features._ROWS = 0, 8
real = inference.one_batch
def slowly(model, function, *rest):
    time.sleep({seconds} if getattr(function, "__name__", "") == "embed" else 0)
    return real(model, function, *rest)
inference.one_batch = slowly
"""
COMMAND = """
from tithe.cli import main
sys.argv = ["tithe", "train", *sys.argv[1:]]
main.main()
"""
PREPARATION = """
import logging
from support.runs import built
from tithe import config
logging.getLogger("tithe").setLevel(logging.INFO)
logging.getLogger("tithe").addHandler(logging.StreamHandler())
print(built(config.dump(config.load(sys.argv[1])))[1].values.sum())
"""


def slow(raw: dict[str, Any], folder: Path, seconds: float, work: str = COMMAND) -> processes.Forked:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(raw))
    return processes.start("-c", SLOW.format(seconds=seconds) + work, folder / "config.json", log=folder / "log.txt")


def wait_for_batches(count: int, process: processes.Forked) -> None:
    def done() -> bool:
        counts = list((storage.cache_dir() / "features").glob("*-unfinished/.done"))
        return bool(counts) and int(json.loads(counts[0].read_text())["batches"]) >= count

    wait_for(done, process)


def test_stopped_while_the_encoder_runs_it_goes_on_there(
    frozen: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    passes: list[int],
    log: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(features, "_ROWS", 8)
    monkeypatch.setattr(details, "_words", lambda *_: {})  # the report asks the encoder about a few mistakes
    raw = frozen(train={"epochs": 1})
    for signum, code, batches in ((signal.SIGINT, 130, 3), (signal.SIGKILL, -9, 6)):
        process = slow(raw, tmp_path / "slow", seconds=0.2)
        wait_for_batches(batches, process)
        process.send_signal(signum)
        assert process.wait(60) == code
        said = (tmp_path / "slow/log.txt").read_text()
        assert "Traceback" not in said and not stored()
        # The lock of a killed process stays, and locks nothing.
        left = [file.name for file in (tmp_path / "run").glob("*")]
        assert left == ([] if signum == signal.SIGINT else [".lock"])
        last = said.splitlines()[-1]
        if signum == signal.SIGINT:
            assert last == "stopped; the features so far are kept: run again to continue"
        else:
            assert last.startswith("resuming the features after batch")
    resumed = run(raw)
    assert "resuming the features after batch" in log.text
    # One row more tells the width of the features.
    assert 0 < sum(passes) <= 120 - 6 * 8 + 1, "what was done was done again"
    kept = stored()[0].read_bytes()
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "cold"))
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert stored()[0].read_bytes() == kept and sha(resumed) == sha(whole)
    assert not list((tmp_path / "cold/features").glob("*/.done"))


def begun(raw: dict[str, Any], batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the encoder after some batches of eight rows."""
    real, calls = inference.one_batch, []

    class Stop(Exception):
        pass

    def stopping(*args: Any) -> Any:
        calls.append(1)
        if len(calls) > batches + 1:  # the first tells the width of the features
            raise Stop
        return real(*args)

    monkeypatch.setattr(features, "_ROWS", 8)
    monkeypatch.setattr(features, "_SECONDS_BETWEEN_SYNCS", 0)
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(inference, "one_batch", stopping)
        built(raw)


@pytest.mark.parametrize("damage", ["a value", "the header", "the count"])
def test_damaged_unfinished_features_are_not_gone_on_with(
    damage: str, frozen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    raw = frozen(train={"epochs": 1})
    begun(raw, 4, monkeypatch)
    (work,) = (storage.cache_dir() / "features").glob("*-unfinished")
    if damage == "the count":
        (work / ".done").write_text((work / ".done").read_text().replace('"batches": ', '"batches": 1'))
    else:
        content = np.memmap(work / "features.npy", np.uint8, "r+")
        # The first batch has the longest texts: flip a bit of every value that may be among them.
        content[128:] ^= 1 if damage == "a value" else 0
        content[1] ^= 0 if damage == "a value" else 1
        content.flush()
    resumed = run(raw)
    assert "are damaged: computing them again" in log.text
    kept = stored()[0].read_bytes()
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "cold"))
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert stored()[0].read_bytes() == kept and sha(resumed) == sha(whole)


def test_two_at_once_compute_once(frozen: Settings, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    both = [slow(frozen(), folder, seconds=0.1, work=PREPARATION) for folder in folders]
    codes, logs = [process.wait(120) for process in both], [(f / "log.txt").read_text() for f in folders]
    assert codes == [0, 0], logs
    assert sorted(HIT in text for text in logs) == [False, True], "one computes, and one finds"
    assert len({text.splitlines()[-1] for text in logs}) == 1 and len(stored()) == 1
    assert not storage.broken_files(stored()[0].parent)


def test_a_cache_that_is_cleared_meanwhile_is_not_taken_for_whole(
    frozen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_ROWS", 8)
    monkeypatch.setattr(features, "_SECONDS_BETWEEN_SYNCS", 0)
    real, calls = inference.one_batch, []

    def cleared(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:  # what `tithe doctor --cache --clear` does in another terminal
            cache.clear(("features",))
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(inference, "one_batch", cleared)
        with contextlib.suppress(OSError, TitheError):
            built(frozen())
    assert len(calls) > 6
    found = built(frozen())[1]  # at the latest now
    assert np.isfinite(found.values).all() and found.values.any(axis=1).all()


def test_what_was_begun_is_room_that_is_already_taken(
    frozen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    rows = write_rows(tmp_path / "many.parquet", *make_texts(1000))
    raw = frozen(data={"path": str(rows)})
    begun(raw, 19, monkeypatch)
    taken = sum(entry.bytes for entry in cache.entries())
    assert taken > 2000 * 32 * 4
    monkeypatch.setenv("TITHE_CACHE_GB", str((taken + 20_000) / 1e9))
    monkeypatch.setattr(cache, "_in_use", set())  # as in a new process
    built(raw)
    assert "resuming the features after batch 19 of 250" in log.text and "no room" not in log.text


def test_without_room_the_encoder_runs_in_every_epoch(
    frozen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, passes: list[int]
) -> None:
    raw = frozen(train={"epochs": 1})
    without = run({**raw, "out": str(tmp_path / "without"), "train": {**raw["train"], "cache_features": False}})
    passes.clear()
    monkeypatch.setenv("TITHE_CACHE_GB", "1e-6")
    outcome = run(raw)
    warned = [r.getMessage() for r in log.records if r.levelno == logging.WARNING]
    assert len(warned) == 1 and warned[0].startswith("no room to cache 120 features of width 32")
    assert sha(outcome) == sha(without) and sum(passes) >= 120 and not stored()
    for part in ("validation", "test", "best"):
        assert outcome.scores[part] == without.scores[part]
    assert outcome.scores["freeze"] == without.scores["freeze"]


# ---- training on features, stopped and resumed


def test_killed_while_the_head_trains_it_ends_in_the_same_bits(frozen: Settings, tmp_path: Path) -> None:
    kept = {"every_batches": 5, "keep": 99}
    raw = frozen(out=str(tmp_path / "run"), train={"epochs": 10}, checkpoint=kept)
    process = slow(raw, tmp_path / "slow", seconds=0)
    wait_for((tmp_path / "run/checkpoints/step_00000015").exists, process)
    process.kill()
    assert process.wait(60) == -9
    assert not (tmp_path / "run/manifest.json").exists(), "it was not killed in time"
    resumed = run({**raw, "checkpoint": {**kept, "resume": "auto"}})
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert sha(resumed) == sha(whole)
    assert (tmp_path / "run/history.jsonl").read_bytes() == (tmp_path / "whole/history.jsonl").read_bytes()


@pytest.mark.parametrize("before", [True, False])
def test_a_run_is_resumed_with_or_without_its_features(
    before: bool, frozen: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    raw = frozen(train={"cache_features": before, "epochs": 1})
    unfinished(raw, 5, monkeypatch)
    if before:
        monkeypatch.setenv("TITHE_CACHE_GB", "1e-6")  # the disk has filled up since
        shutil.rmtree(storage.cache_dir() / "features")
    else:
        raw["train"]["cache_features"] = True
    resumed = run({**raw, "checkpoint": {"resume": "auto"}})
    monkeypatch.delenv("TITHE_CACHE_GB", raising=False)
    whole = run({**raw, "out": str(tmp_path / "whole")})
    for part in ("validation", "test"):
        assert numbers(resumed.scores[part]) == pytest.approx(numbers(whole.scores[part]), abs=1e-5)
