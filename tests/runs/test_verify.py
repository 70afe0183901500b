"""`tithe verify` against everything that can be changed in a finished run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from support.finished_runs import NAME, Finished, fails, rehash
from tithe import storage
from tithe.checkpoints import locate
from tithe.errors import TitheError
from tithe.runs import verify
from tithe.storage import run_files

# ---- what is as it was


@pytest.mark.parametrize("kind", ["frozen", "single", "layers", "plain"])
def test_a_finished_run_verifies(kind: str, finished: Finished) -> None:
    home = finished.homes[kind]
    lines = verify.verify_run(home)
    assert lines[0] == f"{home}: every file is unchanged"
    weights = {
        "frozen": ["checkpoints/best"],
        "single": [run_files.BEST, run_files.FINAL],
        "layers": [run_files.BEST, run_files.FINAL, "checkpoints/best"],
        "plain": [],
    }[kind]
    assert [line.split(":")[0] for line in lines[1 : len(weights) + 1]] == weights
    if kind != "plain":
        assert lines[-1].endswith("its tensors match the proof's 'before'; frozen: no frozen tensor changed")
    assert len(lines) == 1 + len(weights) + (kind != "plain")


@pytest.mark.parametrize("kind", ["frozen", "single", "layers", "plain"])
def test_a_checkpoint_verifies(kind: str, finished: Finished) -> None:
    for folder in locate.all_in(finished.homes[kind] / "checkpoints"):
        assert verify.verify_run(folder) == [f"{folder}: every file is unchanged"]


def test_a_proof_outlives_its_encoder(copy: Callable[[str], Path], finished: Finished) -> None:
    hidden = finished.encoder.rename(finished.encoder.with_name("hidden"))
    try:
        assert "taken from the proof, not re-checked" in verify.verify_run(copy("frozen"))[-1]
    finally:
        hidden.rename(finished.encoder)


# ---- what is not


@pytest.mark.parametrize("kind", ["frozen", "single"])
def test_one_byte_of_any_file_is_noticed(kind: str, copy: Callable[[str], Path]) -> None:
    home = copy(kind)
    verify.verify_run(home)
    unnoticed = []
    files = sorted(path for path in home.rglob("*") if path.is_file())
    assert len(files) > 40
    for path in files:
        good = path.read_bytes()
        middle = len(good) // 2
        path.write_bytes(good[:middle] + bytes([good[middle] ^ 4]) + good[middle + 1 :] if good else b"x")
        try:
            verify.verify_run(home)
        except TitheError as error:
            assert path.name == storage.MANIFEST or path.relative_to(home).as_posix() in str(error)
        else:
            unnoticed.append(path.relative_to(home).as_posix())
        path.write_bytes(good)
    assert unnoticed == []


@pytest.mark.parametrize("name", ["model.pt", "encoder.pt", "metrics.json"])
def test_a_file_that_has_gone_is_named(name: str, copy: Callable[[str], Path]) -> None:
    home = copy("frozen")
    path = next(home.rglob(name))
    path.unlink()
    assert path.relative_to(home).as_posix() in fails(home)


@pytest.mark.parametrize(
    ("kind", "file", "name"),
    [
        ("frozen", "checkpoints/best/encoder.pt", NAME),
        ("single", run_files.BEST, NAME),
        ("single", run_files.FINAL, NAME),
        ("layers", run_files.BEST, "encoder.embeddings.word_embeddings.weight"),
        ("layers", run_files.BEST, NAME),  # trained, and in the proof as it was after training
        ("layers", run_files.FINAL, "encoder.encoder.layer.0.output.dense.weight"),
    ],
)
def test_one_weight_is_noticed_though_the_hashes_were_written_anew(
    kind: str, file: str, name: str, copy: Callable[[str], Path]
) -> None:
    home = copy(kind)
    weights = torch.load(home / file, weights_only=True)
    weights[name].view(-1)[-1] += 1e-3
    torch.save(weights, home / file)
    rehash(home)
    assert not storage.broken_files(home)
    said = fails(home)
    assert name in said and str(home / file).removesuffix("/encoder.pt") in said


def test_a_tensor_left_out_of_the_weights_is_named(copy: Callable[[str], Path]) -> None:
    home = copy("single")
    weights = torch.load(home / run_files.BEST, weights_only=True)
    del weights[NAME]
    torch.save(weights, home / run_files.BEST)
    rehash(home)
    assert f"lacks {NAME}" in fails(home)


def test_the_encoder_of_the_best_left_out_is_noticed(copy: Callable[[str], Path]) -> None:
    home = copy("frozen")
    (home / "checkpoints/best/encoder.pt").unlink()
    rehash(home)
    assert "checkpoints/best" in fails(home)


@pytest.mark.parametrize("kind", ["frozen", "single", "layers"])
def test_an_encoder_that_changed_after_training_is_noticed(
    kind: str, copy: Callable[[str], Path], finished: Finished
) -> None:
    from safetensors.torch import load_file, save_file

    path = finished.encoder / "model.safetensors"
    good, weights = path.read_bytes(), load_file(path)
    weights["encoder.layer.1.output.dense.weight"].view(torch.int32)[0, 0] ^= 1
    save_file(weights, path, metadata={"format": "pt"})
    try:
        said = fails(copy(kind))
    finally:
        path.write_bytes(good)
    assert NAME in said and str(finished.encoder) in said and "before" in said


# ---- the command


def nowhere(home: Path) -> Path:
    return home / "nowhere"


def unfinished(home: Path) -> Path:
    (home / storage.MANIFEST).unlink()
    return home


def a_file(home: Path) -> Path:
    return home / "metrics.json"


@pytest.mark.parametrize("wrong", [nowhere, unfinished, a_file])
def test_what_is_no_finished_run_is_exit_2(
    wrong: Callable[[Path], Path], copy: Callable[[str], Path], tithe: Callable[..., Any]
) -> None:
    path = wrong(copy("frozen"))
    code, out, err = tithe("verify", path)
    expected = f"error: {path} has no manifest.json: pass a finished run, a checkpoint or an export"
    assert (code, out, err) == (2, "", [expected])


def test_the_command_says_what_it_found(copy: Callable[[str], Path], tithe: Callable[..., Any]) -> None:
    home = copy("single")
    code, out, err = tithe("verify", home)
    assert (code, err) == (0, []) and out.splitlines() == verify.verify_run(home)
    (home / run_files.BEST).write_bytes(b"other")
    assert tithe("verify", home) == (1, "", [f"error: {home} has changed since it was written: {run_files.BEST}"])
