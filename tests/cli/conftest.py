"""Runs that the tests of the command share, and the command itself."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest

from support.command_line import Result, Run, Trained, train
from support.texts import make_texts
from tithe.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command in this process, as the shell would; standard input is closed if it is None."""

    def call(*arguments: object, stdin: str | bytes | None = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["tithe", *map(str, arguments)])
        content = io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin or b"")
        monkeypatch.setattr(sys, "stdin", None if stdin is None else io.TextIOWrapper(content, encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main.main()
        return Result(exit_.value.code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Trained:
    """A run on 120 rows of two classes, trained once for all tests: they must leave it as it is."""
    return train(tmp_path_factory.mktemp("trained"), tiny_bert, *make_texts(60))


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Trained:
    """The same on three classes called 2, 10 and 100."""
    texts, names = make_texts(20, classes=3)
    labels = [{"sport": 2, "space": 10, "кухня": 100}[name] for name in names]
    return train(tmp_path_factory.mktemp("numbers"), tiny_bert, texts, labels)


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the run directory that a test may damage."""
    return Path(shutil.copytree(trained.home, tmp_path / "copy"))
