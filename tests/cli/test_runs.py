"""`tithe doctor` and `tithe verify`: what the machine can do, and whether a run is as it was written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tithe
from support.command_line import Run, Trained, write_config


def test_the_doctor_says_what_this_machine_can_do(run: Run) -> None:
    found = json.loads(run("doctor", "--json").out)
    assert found["tithe"] == tithe.__version__
    assert {"auto", "sdpa", "eager"} <= set(found["attention"])
    assert found["readers"] == ["csv", "fasttext", "json_parts", "jsonl", "parquet"]
    assert found["cache"] == os.environ["TITHE_CACHE"] and found["hub"].startswith("offline")
    text = run("doctor")
    assert text.code == 0
    assert [line.partition("  ")[0].strip() for line in text.out.splitlines()] == list(found)


def test_verify_finds_a_single_changed_byte(trained: Trained, copy: Path, run: Run) -> None:
    assert run("verify", trained.home) == (0, f"{trained.home}: every file is unchanged\n", "")
    for name in ("checkpoints/best/model.pt", "test/metrics.json", "history.jsonl"):
        path = copy / name
        content = path.read_bytes()
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        result = run("verify", copy)
        assert result.code == 1 and result.err == f"error: {copy} has changed since it was written: {name}\n"
        path.write_bytes(content)
    assert run("verify", copy).code == 0
    (copy / "report.html").unlink()
    assert run("verify", copy).err.endswith("has changed since it was written: report.html\n")


@pytest.mark.parametrize("content", ["", "[]", '"text"', "{"])
def test_a_broken_manifest_is_not_a_whole_run(content: str, copy: Path, run: Run) -> None:
    (copy / "manifest.json").write_text(content)
    result = run("verify", copy)
    assert result.code == 1 and result.err == f"error: {copy} has changed since it was written: manifest.json\n"


def test_a_checkpoint_can_be_verified_by_itself(trained: Trained, run: Run) -> None:
    assert run("verify", trained.best).code == 0


@pytest.fixture
def config_file(settings: Callable[..., dict[str, Any]], tmp_path: Path) -> Path:
    return write_config(tmp_path / "config.json", settings())


def test_the_doctor_foretells_the_memory_of_a_config(run: Run, config_file: Path) -> None:
    text = run("doctor", config_file)
    assert text.code == 0
    lines = text.out.splitlines()
    assert [line[:26].strip() for line in lines[:7]] == [
        *("peak of private memory", "Python, libraries, data", "trained weights", "averages of AdamW"),
        *("gradients and a batch", "compiled kernels", "free memory"),
    ]
    assert lines[6].endswith(": it fits") and " with --set model.lora.rank=8 (another result)" in text.out
    found = json.loads(run("doctor", config_file, "--set", "train.batch_size=2", "--json").out)
    assert found["peak"] == found["present"] + found["growth"] < found["free"] + found["present"]
    assert all(cure["peak"] < found["peak"] for cure in found["cures"])


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--set", "train.epochs=2"], "--set changes a config: name its file"),
        (["--clear"], "--clear deletes from the cache"),
        (["nowhere.yaml"], "nowhere.yaml"),
        (["CONFIG", "--cache"], "pass only one of them"),
        (["CONFIG", "--set", "train.batch_size=0"], "train.batch_size"),
    ],
)
def test_the_doctor_refuses_what_it_cannot_do(arguments: list[str], said: str, run: Run, config_file: Path) -> None:
    result = run("doctor", *[str(config_file) if word == "CONFIG" else word for word in arguments])
    assert result.code == 2 and said in result.err and result.err.count("\n") == 1
