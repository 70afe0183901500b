"""Folders of encoders, changed on purpose."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def copied(folder: Path, to: Path, **changes: object) -> Path:
    """A copy of an encoder's folder whose configuration says something else."""
    shutil.copytree(folder, to)
    path = to / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return to


def rewritten(raw: dict[str, Any], tmp_path: Path) -> Path:
    home = copied(Path(raw["model"]["encoder"]), tmp_path / "encoder")
    raw["model"]["encoder"] = str(home)
    return home


def without_dropout(tmp_path: Path, settings: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The section `model` with an encoder that draws nothing: several processes would draw other numbers."""
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return {"dropout": 0.0, "encoder": str(copied(Path(settings()["model"]["encoder"]), tmp_path / "still", **still))}


def other_weights(raw: dict[str, Any], tmp_path: Path, change: Callable[[torch.Tensor], object]) -> None:
    from safetensors.torch import load_file, save_file

    path = rewritten(raw, tmp_path) / "model.safetensors"
    weights = load_file(path)
    change(weights["encoder.layer.0.output.dense.weight"])
    save_file(weights, path, metadata={"format": "pt"})


def one_weight(raw: dict[str, Any], tmp_path: Path) -> None:
    other_weights(raw, tmp_path, lambda weight: weight[3, 4].add_(1))


def the_last_bit_of_a_weight(raw: dict[str, Any], tmp_path: Path) -> None:
    other_weights(raw, tmp_path, lambda weight: weight.view(torch.int32)[3, 4].bitwise_xor_(1))


def encoder_config(**changes: Any) -> Callable[[dict[str, Any], Path], None]:
    """The same weights in an encoder that computes something else of them."""

    def change(raw: dict[str, Any], tmp_path: Path) -> None:
        path = rewritten(raw, tmp_path) / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    change.__name__ = "encoder_config_" + "_".join(changes)
    return change


def tokenizer_state(raw: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = rewritten(raw, tmp_path) / "tokenizer.json"
    state = json.loads(path.read_text())
    change(state)
    path.write_text(json.dumps(state))


def other_order_of_words(raw: dict[str, Any], tmp_path: Path) -> None:
    def swap(state: dict[str, Any]) -> None:
        vocab = state["model"]["vocab"]
        vocab["goal"], vocab["moon"] = vocab["moon"], vocab["goal"]

    tokenizer_state(raw, tmp_path, swap)
