"""An earlier run is refused, or deleted: all of it, nothing else, and never one that is under way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.runs import run
from support.writes import Stopped
from tithe import config, storage
from tithe.errors import InputError
from tithe.runs import directory
from tithe.storage import locks
from tithe.tasks import text
from tithe.train import devices

Settings = Callable[..., dict[str, Any]]


def earlier(raw: dict[str, Any], folder: str) -> Path:
    """Leave what a run whose checkpoints are in a folder has left, as far as it is looked at, and others' files."""
    home = Path(raw["out"])
    names = ["metrics.json", "history.jsonl", "validation/metrics.json", f"{folder}/step_00000005/state.json"]
    for name in [*names, f"{folder}/step_00000001/rng.pt", f"{folder}/notes.txt", "somebody.txt"]:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("{}")
    storage.write_json(home / "config.json", config.dump(config.parse({**raw, "checkpoint": {"dir": folder}})))
    return home


def files(home: Path) -> set[str]:
    return {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("events", [".", "{home}"])
def test_event_files_beside_those_of_a_run_do_not_make_its_directory_its_own(events: str, settings: Settings) -> None:
    # A run of an earlier version, or one with the full path of its directory.
    raw = settings()
    home = earlier(raw, "checkpoints")
    track = {"tensorboard_dir": events.format(home=home)}
    storage.write_json(home / "config.json", config.dump(config.parse({**raw, "track": track})))
    directory.delete_earlier_run(config.parse(raw), home)
    assert files(home) == {"checkpoints/notes.txt", "somebody.txt"}


@pytest.mark.parametrize("folder", ["checkpoints", "ckpt"])
def test_all_of_an_earlier_run_goes_and_nothing_else(folder: str, settings: Settings) -> None:
    raw = settings()
    home = earlier(raw, folder)
    (home / "metrics.json").unlink()  # a stopped run, whose checkpoints may be elsewhere than this one's
    with pytest.raises(InputError, match="contains an earlier run: resume it, choose another directory, or pass"):
        directory.refuse_earlier_run(config.parse(raw), home, overwrite=False)
    directory.refuse_earlier_run(config.parse(raw), home, overwrite=True)
    directory.delete_earlier_run(config.parse(raw), home)
    assert files(home) == {"somebody.txt", f"{folder}/notes.txt"}


@pytest.mark.parametrize("kept", range(4))
def test_a_run_that_is_half_deleted_is_still_an_earlier_run(
    kept: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = settings()
    home = earlier(raw, "ckpt")
    removed: list[Path] = []
    real, total = storage.remove, 6  # config, metrics, history, validation, a checkpoint, and what is left of another

    def remove(path: Path) -> None:
        if len(removed) == total - 1 - kept:
            raise Stopped
        removed.append(path)
        real(path)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(storage, "remove", remove)
        directory.delete_earlier_run(config.parse(raw), home)
    is_seen = kept > 0  # the config alone, which is the last to go, is that of no run
    assert [path.name for path in removed[-1:]] != ["config.json"]
    if is_seen:
        with pytest.raises(InputError, match="contains an earlier run"):
            directory.refuse_earlier_run(config.parse(raw), home, overwrite=False)
    directory.delete_earlier_run(config.parse(raw), home)
    assert not is_seen or files(home) == {"somebody.txt", "ckpt/notes.txt"}


READ = ["data.path", "data.validation", "data.test", "data.label_mapping", "data.corrections", "model.encoder"]


@pytest.mark.parametrize("part", READ)
def test_what_the_run_reads_is_not_deleted(part: str, settings: Settings) -> None:
    raw = settings()
    home = earlier(raw, "checkpoints")
    section, _, key = part.partition(".")
    named = home / "checkpoints/step_00000005" / ("" if key == "encoder" else "state.json")
    raw[section] = {**raw[section], key: str(named)}
    with pytest.raises(InputError, match=f"--overwrite would delete {named}, which the run reads: choose another"):
        directory.refuse_earlier_run(config.parse(raw), home, overwrite=True)
    assert named.exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_under_way_is_refused_whatever_its_cache(
    overwrite: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(locks, "_PATIENCE", 0.0)
    raw = settings()
    home = earlier(raw, "checkpoints")
    before = files(home)
    with directory.exclusive(home, devices.accelerator("cpu")):
        monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "another"))
        with pytest.raises(InputError, match="another run, search or suite is under way in") as caught:
            run(raw, overwrite=overwrite)
    assert files(home) == before and "\n" not in str(caught.value)


def test_an_earlier_run_and_a_file_are_refused_before_anything_is_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, rows: Path
) -> None:
    def read(task: object) -> None:
        raise AssertionError("the rows are read")

    monkeypatch.setattr(text.Text, "load", read)
    earlier(settings(), "checkpoints")
    with pytest.raises(InputError, match="contains an earlier run"):
        run(settings())
    with pytest.raises(InputError, match=r"can't write to .*rows.parquet: it is not a folder: choose another path"):
        run(settings(out=str(rows)))


FOLDERS = [
    *(
        ({"checkpoint": {"dir": name}}, "is outside the run directory")
        for name in ("../c", "/tmp/c", "c/../../d", "~/c")
    ),
    *(({"track": {"tensorboard_dir": name}}, "leads out of the run directory") for name in ("../t", "a/../../t")),
    *(({"track": {"tensorboard_dir": name}}, "is the run directory itself") for name in (".", "./")),
    *(({"checkpoint": {"dir": name}}, "") for name in (".", "c", "deep/c", "c..")),
    *(({"track": {"tensorboard_dir": name}}, "") for name in ("t", "/somewhere/../else/t", "~/t")),
]


@pytest.mark.parametrize(("change", "says"), FOLDERS, ids=[json.dumps(change) for change, _ in FOLDERS])
def test_folders_of_a_run_do_not_lead_out_of_it_unsaid(change: dict[str, Any], says: str, settings: Settings) -> None:
    parsed = config.parse(settings(**change))
    if not says:
        directory.check_folders(parsed)
        return
    with pytest.raises(InputError, match=says):
        directory.check_folders(parsed)
