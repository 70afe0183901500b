"""Stopped anywhere, resumed anywhere: the same bits, the same history, and no checkpoint lost on the way."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import processes
from support.runs import run, sha, wait_for, with_out
from support.signals import asked_after
from support.texts import make_texts, write_rows
from tithe import interrupts, storage
from tithe.checkpoints import locate
from tithe.errors import InputError, Interrupted
from tithe.models.partial import freeze

Settings = Callable[..., dict[str, Any]]
STEPS = 24  # 96 training rows, batches of 8, 2 epochs
PARTS = ("best", "validation", "test")


@contextlib.contextmanager
def stopped_after(step: int) -> Iterator[None]:
    """Let SIGINT arrive exactly at a step while the block runs: a real signal would come at any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interrupts, "StopRequest", asked_after(step))
        yield


def test_stopped_at_any_step_and_resumed_is_bit_identical(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = settings(train={"ema_decay": 0.9, "schedule": "cosine", "warmup_steps": 3, "patience": 5})
    whole = run(with_out(raw, tmp_path / "whole"))
    history = (tmp_path / "whole/history.jsonl").read_bytes()
    assert len(history.splitlines()) > 2
    for stop in (1, 12, 13, 20, 23):
        parts = tmp_path / f"stopped-{stop}"
        with stopped_after(stop), pytest.raises(Interrupted) as caught:
            run(with_out(raw, parts))
        assert caught.value.exit_code == 130 and f"step_{stop:08d}" in str(caught.value)
        monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "cold"))  # nor does a lost cache change anything
        resumed = run(with_out(raw, parts, resume="auto"))
        assert sha(resumed) == sha(whole), stop
        assert (parts / "history.jsonl").read_bytes() == history, stop
        assert {part: resumed.scores[part] for part in PARTS} == {part: whole.scores[part] for part in PARTS}


def test_resuming_from_a_named_checkpoint_elsewhere_takes_the_history_along(settings: Settings, tmp_path: Path) -> None:
    whole = run(with_out(settings(), tmp_path / "whole", keep=9))
    start = tmp_path / "whole" / "checkpoints" / "step_00000010"
    resumed = run(with_out(settings(), tmp_path / "elsewhere", resume=str(start)))
    assert sha(resumed) == sha(whole)
    assert (tmp_path / "elsewhere/history.jsonl").read_bytes() == (tmp_path / "whole/history.jsonl").read_bytes()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_checkpoints_in_a_folder_of_a_folder_are_of_their_run(
    elsewhere: bool, settings: Settings, tmp_path: Path
) -> None:
    nested = {"dir": "kept/points", "keep": 9}
    whole = run(with_out(settings(), tmp_path / "whole", **nested))
    history = (tmp_path / "whole/history.jsonl").read_bytes()
    start = tmp_path / "whole/kept/points/step_00000010"
    raw = with_out(settings(), tmp_path / "elsewhere", **nested, resume=str(start))
    resumed = run(raw if elsewhere else {name: value for name, value in raw.items() if name != "out"})
    assert resumed.home == tmp_path / ("elsewhere" if elsewhere else "whole") and sha(resumed) == sha(whole)
    assert (resumed.home / "history.jsonl").read_bytes() == history


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ({}, {"train": {"drop_last": True}}, "with train.drop_last false, and this run has true: set it to false"),
        ({}, {"checkpoint": {"best_by": "loss"}}, "with checkpoint.best_by f1, and this run has loss: set it to f1"),
        ({}, {"train": {"encoder_learning_rate": 1e-4}}, "with no learning rate of its own for the encoder: leave it"),
        ({"train": {"encoder_learning_rate": 1e-4}}, {}, "with a learning rate of its own for the encoder: set it"),
    ],
    ids=["drop_last", "best_by", "encoder_rate_added", "encoder_rate_left_out"],
)
def test_a_setting_that_would_change_what_a_checkpoint_says_is_one_line(
    was: dict[str, Any], now: dict[str, Any], said: str, settings: Settings, tmp_path: Path
) -> None:
    before, after = (settings(train=changes.get("train", {})) for changes in (was, now))
    with stopped_after(18), pytest.raises(Interrupted):
        run(with_out(before, tmp_path / "run", **was.get("checkpoint", {})))
    kept = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    with pytest.raises(InputError, match=said) as caught:
        run(with_out(after, tmp_path / "run", **now.get("checkpoint", {}), resume="auto"))
    assert len(str(caught.value).splitlines()) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == kept


def test_early_stopping_survives_a_resume(settings: Settings, tmp_path: Path) -> None:
    # A learning rate this small never improves after the first epoch by more than nothing.
    raw = settings(train={"epochs": 9, "patience": 2, "learning_rate": 1e-12})
    whole = run(with_out(raw, tmp_path / "whole"))
    assert whole.scores["training"]["epochs"] == 3
    with stopped_after(30), pytest.raises(Interrupted):
        run(with_out(raw, tmp_path / "parts"))
    resumed = run(with_out(raw, tmp_path / "parts", resume="auto"))
    assert resumed.scores["training"]["epochs"] == 3 and sha(resumed) == sha(whole)
    # Killed after the early stop, while evaluating: not a step more is taken.
    again = run(with_out(raw, tmp_path / "whole", resume="auto"))
    assert sha(again) == sha(whole)


def test_a_checkpoint_that_trained_other_tensors_is_one_line(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = settings(model={"freeze": 1}, train={"epochs": 1})
    with monkeypatch.context() as patch:
        patch.setattr(freeze, "freeze", lambda model, setting: None)  # as a version that freezes less
        run(with_out(raw, tmp_path / "run"))
    with pytest.raises(InputError, match=r"trained \d+ tensors, and this run trains \d+: keep model.freeze") as error:
        run(with_out(raw, tmp_path / "run", resume="auto"))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("damage", ["truncate", "flip", "delete", "no manifest"])
def test_a_damaged_checkpoint_is_passed_over_and_said(
    damage: str, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run(with_out(settings(), tmp_path / "run", keep=9))
    newest = tmp_path / "run/checkpoints/step_00000024"
    shutil.rmtree(tmp_path / "run/checkpoints/best")  # those after step 12 go on from it
    victim = newest / "optimizer.pt"
    data = victim.read_bytes()
    if damage == "truncate":
        victim.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        victim.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    elif damage == "delete":
        victim.unlink()
    else:
        (newest / storage.MANIFEST).unlink()
    resumed = run(with_out(settings(), tmp_path / "run", resume=str(newest)))
    assert "step_00000024 is damaged" in caplog.text
    assert "the best weights of checkpoint" in caplog.text and f"{newest.with_name('step_00000010')}" in caplog.text
    assert sha(resumed) == sha(whole)


def test_no_whole_checkpoint_at_all_is_an_error(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no intact checkpoint"):
        run(with_out(settings(), tmp_path / "run", resume=str(tmp_path / "empty")))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "change, named",
    [
        ({"data": {"path": "OTHER LABELS"}}, "labels"),
        ({"data": {"path": "OTHER ROWS"}}, "data"),
        ({"model": {"head": "mlp"}}, "model"),
        ({"model": {"max_length": 16}}, "model"),
        ({"train": {"batch_size": 4}}, "order"),
        ({"seed": 5}, "data"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    change: dict[str, Any], named: str, settings: Settings, tmp_path: Path
) -> None:
    run(with_out(settings(train={"epochs": 1}), tmp_path / "run"))
    texts, labels = make_texts(60)
    write_rows(tmp_path / "labels.parquet", texts, [f"not {label}" for label in labels])
    write_rows(tmp_path / "rows2.parquet", texts[:-1], labels[:-1])
    for section in change.values():
        if isinstance(section, dict) and "path" in section:
            section["path"] = str(
                tmp_path / {"OTHER LABELS": "labels.parquet", "OTHER ROWS": "rows2.parquet"}[section["path"]]
            )
    before = sorted(p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*"))
    with pytest.raises(InputError, match=f"has different {named}") as caught:
        run(with_out(settings(**change), tmp_path / "run", resume="auto"))
    assert "\n" not in str(caught.value)
    assert sorted(p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")) == before


def test_training_can_be_prolonged_and_slowed_on_resume(settings: Settings, tmp_path: Path) -> None:
    run(with_out(settings(train={"epochs": 1}), tmp_path / "run"))
    longer = run(with_out(settings(train={"epochs": 3}), tmp_path / "run", resume="auto"))
    assert longer.scores["training"]["epochs"] == 3


def test_real_signals_and_resumes_equal_the_uninterrupted_run(settings: Settings, tmp_path: Path) -> None:
    raw = with_out(settings(train={"epochs": 10}), tmp_path / "run", resume="auto")
    (tmp_path / "long.json").write_text(json.dumps(raw))
    for signum, code, step in ((signal.SIGINT, 130, 10), (signal.SIGUSR1, 138, 20), (signal.SIGKILL, -9, 30)):
        said = tmp_path / f"{code}.txt"
        process = processes.start("-m", "tithe", "train", tmp_path / "long.json", log=said)
        wait_for((tmp_path / f"run/checkpoints/step_{step:08d}").exists, process)
        process.send_signal(signum)
        assert process.wait(60) == code
        log = said.read_text()
        assert "Traceback" not in log and ("resume from" in log or signum == signal.SIGKILL)
    resumed = run(raw)
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert sha(resumed) == sha(whole)
    assert (tmp_path / "run/history.jsonl").read_bytes() == (tmp_path / "whole/history.jsonl").read_bytes()


# The bytes that any one file may have are less than the model.
SMALL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.argv[0] = "tithe"
from tithe.cli.main import main
main()
"""


def test_a_full_disk_leaves_the_previous_checkpoint_intact(settings: Settings, tmp_path: Path) -> None:
    raw = with_out(settings(track={"tensorboard": False}), tmp_path / "run")
    (tmp_path / "full.json").write_text(json.dumps(raw))
    first = run({**raw, "train": {**raw["train"], "epochs": 1}})
    whole = locate.newest_intact(first.home / "checkpoints")
    assert whole is not None
    done = processes.run("-c", SMALL_DISK, "train", tmp_path / "full.json", "--resume", whole)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: could not save") and "earlier checkpoints are intact" in last
    assert storage.broken_files(whole) == []
    assert not list((tmp_path / "run").rglob(".partial-*"))


def test_killed_between_two_renames_the_moved_one_comes_back(settings: Settings, tmp_path: Path) -> None:
    whole = run(with_out(settings(), tmp_path / "run"))
    folder = tmp_path / "run/checkpoints"
    for step in folder.glob("step_*"):
        shutil.rmtree(step)
    # What a kill leaves when the old best is aside and the new one is not yet in its place.
    (folder / "best").rename(folder / ".partial-old-123-best")
    (folder / ".partial-123-best").mkdir()
    assert sha(run(with_out(settings(), tmp_path / "run", resume="auto"))) == sha(whole)
    assert not list(folder.glob(".partial-*"))
