"""Small files of the documented format `finetune_pipeline`, and the parts that its data come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.texts import make_texts
from tithe import config, pipeline, storage
from tithe.data.text import merge_parts
from tithe.runs.finish import Outcome

ROWS, TRAIN = 60, 48  # 80 % of 60


def write_parts(folder: Path, rows: int = ROWS, classes: int = 3) -> Path:
    texts, labels = make_texts(rows // classes, classes)
    folder.mkdir(parents=True, exist_ok=True)
    records_ = [{"input": text, "output": label} for text, label in zip(texts, labels, strict=True)]
    half = len(records_) // 2
    (folder / "part_0.json").write_text(json.dumps(records_[:half], ensure_ascii=False), encoding="utf-8")
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records_[half:])
    (folder / "part_1.json").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder with merged data of three classes."""
    merge_parts.merge(write_parts(tmp_path / "raw"), tmp_path / "combined")
    return tmp_path / "combined"


@pytest.fixture
def documented(prepared: Path, tiny_modernbert: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The documented file, small."""
    return {
        "paths": {
            "base_model_dir": str(tiny_modernbert),
            "dataset_path": str(prepared / "combined_dataset.json"),
            "label_mapping_path": str(prepared / "output_to_symbol.json"),
            "output_dir": str(tmp_path / "artifacts"),
        },
        "data": {"max_length": 32, "train_ratio": 0.8, "val_ratio": 0.1, "seed": 42},
        "model": {"hidden_dim": 16, "dropout": 0.1},
        "training": {
            "epochs": 2,
            "batch_size": 4,
            "gradient_accumulation_steps": 2,
            "num_workers": 0,
            "learning_rate": 1e-2,
            "encoder_learning_rate": 1e-4,
            "weight_decay": 0.01,
            "max_grad_norm": 1.0,
            "freeze_backbone": True,
            "mixed_precision": "no",
        },
    }


@pytest.fixture
def read(documented: dict[str, dict[str, Any]], tmp_path: Path) -> Callable[..., config.Run]:
    """Write the documented file with some keys changed, and read it as the command does."""

    def build(**changes: Any) -> config.Run:
        raw = json.loads(json.dumps(documented))
        for key, value in changes.items():
            section, _, name = key.partition("__")
            raw.setdefault(section, {})[name] = value
        path = tmp_path / "train_config.json"
        path.write_text(json.dumps(raw))
        return config.load(path, ["track.tensorboard=false", "train.device=cpu"])

    return build


Read = Callable[..., config.Run]


def history(home: Path, kind: str = "train") -> list[dict[str, Any]]:
    return [r for r in storage.read_lines(home / "history.jsonl") if r["kind"] == kind]


@pytest.fixture
def finished(read: Read) -> Outcome:
    return pipeline.train(read())
