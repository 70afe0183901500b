"""`tithe verify` and `predict` use what a manifest names, in its place, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.finished_runs import Finished, fails, rehash
from tithe import storage
from tithe.checkpoints import store
from tithe.errors import InputError
from tithe.predict import load
from tithe.runs import verify

BEST = Path("checkpoints/best")
Copy = Callable[[str], Path]
Change = Callable[[Path], object]


def behind_a_link(home: Path, path: Path) -> None:
    """Move a file or a folder out of a run, and leave a link to it."""
    there = home.with_name("moved") / path.name
    there.parent.mkdir(exist_ok=True)
    (home / path).rename(there)
    (home / path).symlink_to(there)


def manifest(home: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    storage.write_manifest(home, change(storage.read_manifest(home) or {}))


def without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda hashes: {key: value for key, value in hashes.items() if key != name}


def left_out(home: Path, folder: Path, name: str) -> None:
    """Delete a file, and say nothing of it in any manifest."""
    (home / folder / name).unlink()
    manifest(home / folder, without(name))
    rehash(home)


# What is done to a run, what is said of it, and whether its best checkpoint alone is still intact.
CHANGES: dict[str, tuple[Change, str, bool]] = {
    "averaged weights": (
        lambda home: shutil.copyfile(home / BEST / "optimizer.pt", home / BEST / "ema.pt"),
        "checkpoints/best/ema.pt (not in the manifest)",
        False,
    ),
    "an encoder": (
        lambda home: shutil.copyfile(home / BEST / "model.pt", home / "checkpoints/step_00000012/encoder.pt"),
        "encoder.pt (not in the manifest)",
        True,
    ),
    "a calibration": (
        lambda home: (home / BEST / "calibration.json").write_text("{}"),
        f"{BEST}/calibration.json",
        False,
    ),
    "thresholds without a manifest of their own": (
        lambda home: shutil.copytree(home / BEST / "encoder", home / BEST / "abstention"),
        f"{BEST}/abstention/config.json (not in the manifest)",
        False,
    ),
    "a vocabulary": (
        lambda home: (home / BEST / "tokenizer/added_tokens.json").write_text("{}"),
        "tokenizer/added_tokens.json (not in the manifest)",
        False,
    ),
    "a selection": (
        lambda home: (home / "selection.json").write_text("{}"),
        "selection.json (not in the manifest)",
        True,
    ),
    "the files of an epoch": (
        lambda home: shutil.copyfile(home / BEST / "model.pt", home / "checkpoint_epoch_3.pt"),
        "checkpoint_epoch_3.pt (not in the manifest)",
        True,
    ),
    "a checkpoint": (
        lambda home: shutil.copytree(home / BEST, home / "checkpoints/step_00000099"),
        "checkpoints/step_00000099/manifest.json (not in the manifest)",
        True,
    ),
    "weights behind a link": (lambda home: behind_a_link(home, BEST / "model.pt"), f"{BEST}/model.pt", False),
    "a checkpoint behind a link": (lambda home: behind_a_link(home, BEST), f"{BEST}/manifest.json", False),
    "metrics behind a link": (lambda home: behind_a_link(home, Path("metrics.json")), "metrics.json", True),
    "a manifest of nothing": (lambda home: storage.write_manifest(home, {}), "manifest.json", False),
    "a checkpoint's of nothing": (lambda home: storage.write_manifest(home / BEST, {}), f"{BEST}/manifest.json", False),
    "a path out of the run": (
        lambda home: manifest(home, lambda hashes: {**hashes, "../x": "0" * 64}),
        "../x",
        True,
    ),
    "a run without metrics": (lambda home: left_out(home, Path(), "metrics.json"), "metrics.json", True),
    "a run without history": (lambda home: left_out(home, Path(), "history.jsonl"), "history.jsonl", True),
    "a checkpoint of another step in its place": (
        lambda home: store.copy(home / "checkpoints/step_00000012", home / BEST),
        f"{BEST}/manifest.json",
        False,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_no_manifest_vouches_for_is_named(change: str, copy: Copy) -> None:
    home = copy("plain")
    act, said, best_is_intact = CHANGES[change]
    act(home)
    assert said in fails(home)
    if best_is_intact:
        load(home, "cpu")
        return
    with pytest.raises(InputError) as error:
        load(home, "cpu")
    assert "best" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["model.pt", "state.json", "optimizer.pt"])
def test_a_checkpoint_that_lacks_what_each_has_is_damaged(name: str, copy: Copy) -> None:
    home = copy("plain")
    left_out(home, BEST, name)
    assert name in fails(home / BEST)
    with pytest.raises(InputError, match="damaged"):
        load(home / BEST, "cpu")


def test_the_best_weights_of_another_hand_are_not_predicted_with(copy: Copy) -> None:
    home = copy("plain")
    shutil.copyfile(home / BEST / "model.pt", home / "best_model.pt")
    with pytest.raises(InputError, match=r"best_model.pt is not in the manifest of its run"):
        load(home, "cpu")


@pytest.mark.parametrize("name", ["best_model.pt", "final_model.pt"])
def test_a_single_file_in_the_place_of_another_is_noticed(name: str, copy: Copy) -> None:
    home = copy("layers")
    assert load(home / name, "cpu")
    other = {"best_model.pt": "final_model.pt", "final_model.pt": "best_model.pt"}[name]
    content = (home / other).read_bytes()
    (home / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError) as error:
        load(home / name, "cpu")
    assert name in str(error.value) and "\n" not in str(error.value)


def test_the_files_of_others_are_left_alone(copy: Copy) -> None:
    home = copy("plain")
    (home / "notes.txt").write_text("mine")
    (home / "plots").mkdir()
    (home / "plots/extra.json").write_text("{}")
    (home / "checkpoints/README.md").write_text("mine")
    (home / BEST / ".DS_Store").write_text("a file browser's")
    (home / "tensorboard").mkdir()
    (home / "tensorboard/events").write_text("a tracker's")
    assert verify.verify_run(home) and load(home, "cpu")


def test_checkpoints_on_another_disk_are_used(finished: Finished, tmp_path: Path) -> None:
    """A run that was written behind a link does not list them; each has a manifest of its own."""
    home = tmp_path / "run"
    shutil.copytree(finished.homes["plain"], home)
    manifest(home, lambda hashes: {k: v for k, v in hashes.items() if not k.startswith("checkpoints/")})
    behind_a_link(home, Path("checkpoints"))
    assert verify.verify_run(home) and load(home, "cpu")
    (home / BEST / "optimizer.pt").write_bytes(b"")
    assert f"{home / BEST}/optimizer.pt" in fails(home)


@pytest.mark.parametrize("kind", ["frozen", "single", "plain"])
def test_verifying_writes_nothing(kind: str, copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "cache"))
    home = copy(kind)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    verify.verify_run(home)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
