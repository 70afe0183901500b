"""The start of a rented machine, rehearsed here: the volume is a folder, and being taken away is a signal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import fork_server
from support.paths import ROOT
from support.runs import wait_for
from support.texts import make_texts
from tithe import config, pipeline, storage
from tithe.fetch import downloads

SCRIPT = ROOT / "deploy/runpod/start.sh"
# A Python that notes with which environment the training was started, and becomes the real one.
WITNESS = """#!/bin/sh
case "$*" in *"-m tithe train"*) env >"$SEEN" ;; esac
exec "$REAL" "$@"
"""
# Stands for `python3` where there is none of ours: makes an environment whose pip notes what it should install.
INSTALLER = """#!/bin/sh
[ "$1" = --version ] && echo Python 3.11 && exit
mkdir -p "$3/bin"
cat >"$3/bin/python" <<'END'
#!/bin/sh
[ "$2" = pip ] || exec "$REAL" "$@"
echo "$*" >>"$SEEN"
[ -z "$PIP_BREAKS" ]
END
chmod +x "$3/bin/python"
"""

Settings = Callable[..., dict[str, Any]]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """An empty volume, on which the data set `reviews` is fetched already, small."""
    folder = tmp_path / "volume/cache/datasets"
    folder.mkdir(parents=True)
    downloads.put(folder / "reviews.parquet", [list(zip(*make_texts(60), strict=True))], {"source": "a test"})
    return tmp_path / "volume"


@pytest.fixture(scope="module")
def python() -> Iterator[str]:
    """The real Python, with the libraries imported."""
    with fork_server.python() as python:
        yield str(python)


@pytest.fixture
def start(python: str, volume: Path, tmp_path: Path) -> Start:
    """Start the script as a machine would; what it says goes to files, since a full pipe would stop it."""
    (tmp_path / "python").write_text(WITNESS)
    (tmp_path / "python").chmod(0o755)
    ours = {"TITHE_VOLUME": str(volume), "TITHE_PYTHON": str(tmp_path / "python"), "TITHE_DATASET": "reviews"}
    ours |= {"REAL": python, "SEEN": str(tmp_path / "seen")}
    kept = {name: value for name, value in os.environ.items() if name not in ("TITHE_CACHE", "HF_HOME")}

    def run(*arguments: object, **changes: str) -> subprocess.Popen[str]:
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            command = [SCRIPT, *map(str, arguments)]
            return subprocess.Popen(command, env={**kept, **ours, **changes}, cwd=tmp_path, stdout=out, stderr=err)

    return run


def said(tmp_path: Path) -> tuple[str, str]:
    return (tmp_path / "out").read_text(), (tmp_path / "err").read_text()


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow)]
)
def test_a_machine_taken_away_ends_with_the_weights_of_one_that_stayed(
    signum: int, code: int, start: Start, settings: Settings, python: str, volume: Path, tmp_path: Path
) -> None:
    raw = settings(train={"epochs": 6}, checkpoint={"every_batches": 10}, data={"path": "data/elsewhere.parquet"})
    (tmp_path / "plan.json").write_text(json.dumps(raw))
    (volume / ".env").write_text("export HF_TOKEN='hf a$b'  # of the volume\nREAL=not-this-one\n")
    home = volume / "trained/plan"
    process = start("plan.json", "--set", "seed=3")
    wait_for((home / "checkpoints/step_00000020").exists, process)
    process.send_signal(signum)
    assert process.wait(60) == code
    assert not (home / storage.MANIFEST).exists()

    assert start("plan.json", "--set", "seed=3").wait(300) == 0, said(tmp_path)[1]
    assert "final weights" in said(tmp_path)[0]
    environment = dict(line.partition("=")[::2] for line in (tmp_path / "seen").read_text().splitlines())
    assert environment["HF_TOKEN"] == "hf a$b" and environment["REAL"] == python
    assert environment["TITHE_CACHE"] == f"{volume}/cache" and environment["HF_HOME"] == f"{volume}/huggingface"
    data = {"path": str(volume / "cache/datasets/reviews.parquet")}
    whole = pipeline.train(config.parse({**raw, "seed": 3, "out": str(tmp_path / "whole"), "data": data}))
    found = storage.read_json(home / "metrics.json")["training"]["final_weights_sha256"]
    assert found == whole.scores["training"]["final_weights_sha256"]
    assert (home / "history.jsonl").read_bytes() == (tmp_path / "whole/history.jsonl").read_bytes()

    (tmp_path / "seen").unlink()
    assert start("plan.json", "--set", "seed=3").wait(60) == 0
    out, err = said(tmp_path)
    assert out.startswith(f"finished: {home}/report.html") and err == "" and not (tmp_path / "seen").exists()
    assert storage.broken_files(home) == []


def test_tithe_is_installed_once_and_again_when_its_requirements_change(
    start: Start, volume: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text(INSTALLER)
    (tmp_path / "bin/python3").chmod(0o755)
    (tmp_path / "plan.json").write_text("{}")

    def installed(**changes: str) -> int:
        """Start up to the fetching, which knows no such data set; return how often pip was called so far."""
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        changes = {"TITHE_PYTHON": "", "TITHE_DATASET": "reviws", "PATH": path, **changes}
        assert start("plan.json", **changes).wait(60) == (1 if "PIP_BREAKS" in changes else 2)
        assert ("did you mean 'reviews'" in said(tmp_path)[1]) is ("PIP_BREAKS" not in changes)
        return len((tmp_path / "seen").read_text().splitlines())

    assert installed(PIP_BREAKS="yes") == 1
    assert [installed(), installed()] == [2, 2]
    assert [installed(TITHE_EXTRAS="minilm,lm"), installed(TITHE_EXTRAS="minilm,lm")] == [3, 3]
    last = (tmp_path / "seen").read_text().splitlines()[-1]
    code = SCRIPT.parents[2]
    assert last.endswith(f"-c {code}/constraints.txt -e {code}[minilm,lm]")


MISTAKES: list[tuple[tuple[str, ...], dict[str, str], int, str]] = [
    ((), {}, 2, "error: no config: deploy/runpod/start.sh CONFIG"),
    (("plan.yaml",), {}, 2, "error: no config file plan.yaml (seen from "),
    (("plan.json",), {"TITHE_VOLUME": "/nowhere"}, 2, "error: no volume at /nowhere that can be written to"),
    (("plan.json",), {"TITHE_DATASET": "reviews --split train"}, 2, "error: reviews is one table of text and label"),
]


@pytest.mark.parametrize(("arguments", "changes", "code", "says"), MISTAKES, ids=[says[:30] for *_, says in MISTAKES])
def test_mistakes_are_one_line_and_start_nothing(
    arguments: tuple[str, ...], changes: dict[str, str], code: int, says: str, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "plan.json").write_text("{}")
    assert start(*arguments, **changes).wait(60) == code
    out, err = said(tmp_path)
    assert err.startswith(says) and len(err.splitlines()) == 1 and out == "" and not (tmp_path / "seen").exists()


def test_a_file_of_tokens_that_cannot_be_read_starts_nothing(start: Start, volume: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    (volume / ".env").write_bytes(b"NAME=\xff\n")
    assert start("plan.json").wait(60) == 2
    assert said(tmp_path) == ("", "error: .env is not UTF-8 text: save it as UTF-8\n")
    assert not (tmp_path / "seen").exists()


def test_the_script_is_correct_shell() -> None:
    assert os.access(SCRIPT, os.X_OK)
    checkers = [["bash", "-n"], *([["shellcheck"]] if shutil.which("shellcheck") else [])]
    for checker in checkers:
        assert subprocess.run([*checker, SCRIPT], check=False).returncode == 0
