"""Runs that write the files of an epoch's end, and one of four epochs that nobody disturbed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from support.epoch_files import FLAGS, Train, make_small
from support.photographs import train, twins


@contextlib.contextmanager
def with_one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """A forked process computes with one thread: so that bits can be compared, this one does too."""
    with with_one_thread():
        yield


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins(tmp_path_factory.mktemp("photographs") / "set")


@pytest.fixture(scope="session")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four epochs that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch, with_one_thread():
        make_small(patch, root)
        return train(root, folder / "checkpoints", "checkpoint.every_batches=2", **FLAGS).home


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    make_small(monkeypatch, root)


@pytest.fixture
def go(root: Path, tmp_path: Path) -> Train:
    """Train with the flags of the whole run, or others; return where."""
    return lambda *overrides, out="run", **flags: train(root, tmp_path / out, *overrides, **{**FLAGS, **flags}).home
