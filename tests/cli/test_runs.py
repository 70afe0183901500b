"""`tithe doctor` and `tithe verify`: what the machine can do, and whether a run is as it was written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import tithe
from support.command_line import Run, Trained


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
