"""Every bad input ends in one line that says why, exit code 2 or 1, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from accelerate import PartialState

from support import processes
from support.bad_inputs import Bad, arguments, checkpoints, configs, data_files, runs, settings
from support.command_line import Run, Trained
from support.texts import make_texts, write_rows

TABLES = [
    *(configs.FILES, configs.WRONG, configs.DATA, configs.DOCUMENTED_FORMATS, settings.SETS, settings.MORE),
    *(arguments.COMMANDS, arguments.VARIABLES),
    *(data_files.FILES, data_files.MAPPINGS, data_files.IMAGES, data_files.INPUTS),
    *(checkpoints.FILES, checkpoints.OTHERS, checkpoints.CHANGED, checkpoints.DAMAGED, runs.ENCODERS, runs.RUNS),
]
ALL = {name: bad for table in TABLES for name, bad in table.items()}
IN_A_PROCESS = ("a billion laughs", "three mistakes")
# What a command may say before it fails: progress, and what it skips.
LOG = ("reading ", "checkpoint ", "select.rounds", "max_length", "random chose", "d.jsonl: ", "rows.parquet has")


def prepare(bad: Bad, folder: Path, trained: Trained, bert: Path) -> list[str]:
    """Write the files of a bad input, and the right ones beside them; return the command line."""
    write_rows(folder / "rows.parquet", *make_texts(30))
    good = {
        "name": "good",
        "out": "run",
        "data": {"path": "rows.parquet"},
        "model": {"encoder": str(bert), "max_length": 32},
        "train": {"epochs": 1, "batch_size": 8, "precision": "no"},
        "track": {"tensorboard": False},
    }
    (folder / "good.yaml").write_text(json.dumps(good), encoding="utf-8")
    for name, content in bad.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path, trained.home)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [re.sub("^(RUN|BERT)", lambda m: str({"RUN": trained.home, "BERT": bert}[m[0]]), a) for a in bad.arguments]


def content(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def check(bad: Bad, code: int, out: str, err: str) -> None:
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    log = [line for line in err.splitlines() if line not in errors]
    assert code == bad.code, err
    assert len(errors) == bad.lines and err.splitlines()[-1] == errors[-1], err
    assert re.search(bad.says, "\n".join(errors)), err
    assert out == "" and "Traceback" not in err
    assert all(line.startswith(LOG) for line in log), log
    assert max(map(len, errors)) < 900, errors


def test_there_are_enough_of_them_and_no_name_twice() -> None:
    assert len(ALL) == sum(map(len, TABLES)) >= 250


@pytest.mark.parametrize("name", ALL)
def test_a_bad_input_is_one_line_and_leaves_nothing(
    name: str, run: Run, trained: Trained, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = ALL[name]
    line = prepare(bad, tmp_path, trained, tiny_bert)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PartialState, "_shared_state", {})  # a process reads the launcher's variables once
    for variable, value in bad.variables.items():
        monkeypatch.setenv(variable, value)
    before = content(tmp_path)
    result = run(*line)
    check(bad, *result)
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", IN_A_PROCESS)
def test_the_same_in_a_process_of_its_own(name: str, trained: Trained, tiny_bert: Path, tmp_path: Path) -> None:
    bad = ALL[name]
    line = ["-m", "tithe", *prepare(bad, tmp_path, trained, tiny_bert)]
    before, environment = content(tmp_path), {**os.environ, **bad.variables}
    done = processes.run(*line, cwd=tmp_path, env=environment)
    check(bad, done.returncode, done.stdout, done.stderr)
    assert content(tmp_path) == before
