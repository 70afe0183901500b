"""Finished runs that nobody may change, copies to tamper with, and what an attacker does after it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.encoders import copied
from support.texts import make_texts, write_rows
from tithe import config, pipeline, storage
from tithe.errors import TitheError
from tithe.runs import verify

PROOF = "freeze_proof.json"
NAME = "encoder.encoder.layer.1.output.dense.weight"


class Finished(NamedTuple):
    """Runs that nobody may change, and the encoder they came from."""

    encoder: Path
    homes: dict[str, Path]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    encoder = copied(tiny_bert, folder / "encoder")
    rows = write_rows(folder / "rows.parquet", *make_texts(60))
    kinds: dict[str, dict[str, dict[str, Any]]] = {
        "frozen": {"model": {"freeze": "all"}},
        "single": {"model": {"freeze": "all", "head": "mlp"}, "checkpoint": {"single_files": True}},
        "layers": {"model": {"freeze": 1}, "checkpoint": {"single_files": True}, "train": {"ema_decay": 0.5}},
        "plain": {},
    }
    train = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "precision": "no", "device": "cpu"}
    homes = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITHE_CACHE", str(folder / "cache"))
        for name, sections in kinds.items():
            raw: dict[str, Any] = {
                "out": str(folder / name),
                "data": {"path": str(rows)},
                "model": {"encoder": str(encoder), "max_length": 32, **sections.get("model", {})},
                "train": {**train, **sections.get("train", {})},
                "checkpoint": sections.get("checkpoint", {}),
                "track": {"tensorboard": False},
            }
            homes[name] = pipeline.train(config.parse(raw)).home
    return Finished(encoder, homes)


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Callable[[str], Path]:
    """Return a copy of a finished run, to be tampered with."""

    def make(kind: str) -> Path:
        shutil.copytree(finished.homes[kind], tmp_path / kind)
        return tmp_path / kind

    return make


def rehash(home: Path) -> None:
    """What an attacker does after a change: rewrite every manifest."""
    for manifest in sorted(home.rglob(storage.MANIFEST), key=lambda path: -len(path.parts)):
        there = [name for name in storage.read_json(manifest) if (manifest.parent / name).exists()]
        storage.write_manifest(manifest.parent, {name: storage.sha256_file(manifest.parent / name) for name in there})


def fails(home: Path) -> str:
    with pytest.raises(TitheError) as error:
        verify.verify_run(home)
    assert error.value.exit_code == 1 and len(str(error.value).splitlines()) == 1
    return str(error.value)
