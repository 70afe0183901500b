"""Checkpoints and runs that must be refused: of other tools, of other versions, damaged, or with NaN in them."""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from support.bad_inputs import Bad, Content
from tithe import storage

# ---- files of other tools


class _Bomb:
    """Makes a folder when it is unpickled: a file more than before, which the test would find."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("boom",)


def _saved(value: object) -> Callable[[Path, Path], None]:
    return lambda path, run: torch.save(value, path)


def _script(path: Path, run: Path) -> None:
    with warnings.catch_warnings(action="ignore"):  # torch.jit is deprecated, and its files remain
        torch.jit.script(nn.Identity()).save(str(path))


def _truncated(path: Path, run: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(1000)}, buffer)
    path.write_bytes(buffer.getvalue()[:2000])


def _old(path: Path, run: Path) -> None:
    torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)


_STATE = {"encoder.weight": torch.zeros(2, 2), "head.weight": torch.zeros(2, 2)}
_KEYS = {"epoch": 1, "global_step": 2, "model_state_dict": _STATE, "optimizer_state_dict": {}}
_KEYS |= {"scheduler_state_dict": {"last_epoch": 1}, "scaler_state_dict": {}, "best_val_loss": 0.5}
_KEYS |= {"train_history": [], "val_history": []}
_LIGHTNING = {"epoch": 1, "global_step": 2, "pytorch-lightning_version": "2.5.0", "state_dict": _STATE}
_TOOLS: dict[str, tuple[Content, str]] = {
    "a pickled module": (_saved(nn.Identity()), "holds Python objects"),
    "a pickled optimizer": (_saved(torch.optim.SGD([torch.zeros(1)])), "holds Python objects"),
    "a bomb": (_saved({"model": _Bomb()}), "holds Python objects"),
    "a raw pickle": (pickle.dumps({"a": 1}), "File is not a zip file"),
    "a raw bomb": (pickle.dumps(_Bomb()), "File is not a zip file"),
    "Lightning": (_saved({**_LIGHTNING, "hyper_parameters": argparse.Namespace(lr=1)}), "holds Python objects"),
    "Lightning of plain values": (_saved(_LIGHTNING), "contains no weights"),
    "a state dict": (_saved(_STATE), "no checkpoint beside it"),
    "a list": (_saved([torch.zeros(1)]), "contains no weights"),
    "a tensor": (_saved(torch.zeros(2)), "contains no weights"),
    "a number": (_saved(5), "contains no weights"),
    "the documented keys of another tool": (_saved(_KEYS), "as of another tool"),
    "the documented keys, empty": (_saved(dict.fromkeys(_KEYS)), "as of another tool"),
    "TorchScript": (_script, "can't be read"),
    "a truncated file": (_truncated, "can't be read"),
    "torch before 1.6": (_old, "File is not a zip file"),
    "an empty file": (b"", "File is not a zip file"),
    "text": ("no model", "File is not a zip file"),
    "zeros": (b"\0" * 4096, "File is not a zip file"),
    "NumPy": (b"\x93NUMPY\x01\x00", "File is not a zip file"),
    "a ZIP": (b"PK\x05\x06" + b"\0" * 18, "can't be read"),
}
FILES = {
    f"{command}: {name}": Bad(says, (*arguments, "x.pt"), {"x.pt": content})
    for command, arguments in {"predict": ("predict",), "evaluate": ("evaluate", "--out", "e", "-c")}.items()
    for name, (content, says) in _TOOLS.items()
} | {
    f"resume: {name}": Bad(
        "is not a file of a checkpoint of tithe"
        if says in ("contains no weights", "no checkpoint beside it")
        else says,
        ("train", "good.yaml", "--resume", "x.pt"),
        {"x.pt": content},
    )
    for name, (content, says) in _TOOLS.items()
}
FILES = {
    name: bad._replace(arguments=(*bad.arguments, "a")) if name.startswith("predict") else bad
    for name, bad in FILES.items()
}
OTHERS = {
    "a Hugging Face model": Bad("is a Hugging Face model", ("predict", "BERT", "a")),
    "safetensors": Bad("is not a file of a checkpoint", ("predict", "BERT/model.safetensors", "a")),
    "evaluate a Hugging Face model": Bad("is a Hugging Face model", ("evaluate", "-c", "BERT", "--out", "e")),
    "resume from a Hugging Face model": Bad("is a Hugging Face model", ("train", "good.yaml", "--resume", "BERT")),
    "pytorch_model.bin": Bad(
        "is not a file", ("predict", "pytorch_model.bin", "a"), {"pytorch_model.bin": _saved(_STATE)}
    ),
    "a folder of it": Bad("is a Hugging Face model", ("predict", "m", "a"), {"m/pytorch_model.bin": _saved(_STATE)}),
    "a Lightning .ckpt": Bad(
        "is not a file of a checkpoint", ("predict", "x.ckpt", "a"), {"x.ckpt": _saved(_LIGHTNING)}
    ),
    "a .pth": Bad("is not a file of a checkpoint", ("predict", "x.pth", "a"), {"x.pth": _saved(nn.Identity())}),
    "a folder of text": Bad("no intact checkpoint", ("predict", "m", "a"), {"m/x.txt": "x"}),
    "a checkpoint of text": Bad(
        "no intact checkpoint", ("predict", "m", "a"), {"m/model.pt": "x", "m/state.json": "{}"}
    ),
    "a folder of checkpoints, all empty": Bad(
        "no intact checkpoint", ("predict", "m", "a"), {"m/best/model.pt": "", "m/step_00000001/state.json": ""}
    ),
}

# ---- a run of tithe with something changed, and a manifest that vouches for it, as of another version or tool


def _best(change: Callable[[Path], object], seal: bool = True) -> Content:
    """Return the best checkpoint of a finished run, alone in its folder, after a change."""

    def make(path: Path, run: Path) -> None:
        shutil.copytree(run / "checkpoints/best", path)
        change(path)
        if seal:
            files = [file for file in storage.files_in(path) if file.name != storage.MANIFEST]
            storage.write_manifest(
                path, {file.relative_to(path).as_posix(): storage.sha256_file(file) for file in files}
            )

    return make


def _json(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        value = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(change(value)))

    return edit


def _without(*keys: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    return lambda value: {key: part for key, part in value.items() if key not in keys}


def _weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        weights = torch.load(folder / "model.pt", weights_only=True)
        change(weights)
        torch.save(weights, folder / "model.pt")

    return edit


def _filled(name: str, value: float) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda weights: weights[name].view(-1)[0].fill_(value)


_STATE_JSON = "is not one that this version of tithe writes"
_CHANGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "state.json without config": (_json("state.json", _without("config")), _STATE_JSON),
    "state.json without made_of": (_json("state.json", _without("made_of")), _STATE_JSON),
    "state.json without best": (_json("state.json", _without("best")), _STATE_JSON),
    "state.json of a list": (_json("state.json", list), _STATE_JSON),
    "state.json of null": (_json("state.json", lambda value: None), _STATE_JSON),
    "state.json of another tool": (_json("state.json", lambda value: {"step": 1, "model": "x"}), _STATE_JSON),
    "state.json with a best of another kind": (_json("state.json", lambda v: {**v, "best": {"loss": 1}}), _STATE_JSON),
    "state.json of garbage": (lambda folder: (folder / "state.json").write_text("{"), "is not JSON"),
    "state.json, 100,000 deep": (lambda folder: (folder / "state.json").write_text("[" * 100_000), "nested too deeply"),
    "state.json of 5,000 digits": (lambda folder: (folder / "state.json").write_text("9" * 5000), "is not JSON"),
    "a config of another version": (
        _json("state.json", lambda v: {**v, "config": {**v["config"], "trainer": {}}}),
        "unknown key 'trainer'",
    ),
    "a config without data": (
        _json("state.json", lambda v: {**v, "config": _without("data")(v["config"])}),
        "'data' is missing",
    ),
    "no pooling": (
        _json("state.json", lambda v: {**v, "made_of": {"model": {}}}),
        "how its encoder's states were pooled",
    ),
    "no model in made_of": (_json("state.json", lambda v: {**v, "made_of": {}}), _STATE_JSON),
    "labels of a list": (_json("labels.json", lambda v: v["names"]), "is not a label map"),
    "labels of lists": (_json("labels.json", lambda v: {**v, "names": [["a"], ["b"]]}), "is not a label map"),
    "labels that were edited": (_json("labels.json", lambda v: {**v, "names": ["b", "a"]}), "was edited"),
    "labels of garbage": (lambda folder: (folder / "labels.json").write_bytes(b"\xff"), "is not JSON"),
    "more labels": (
        lambda folder: storage.write_json(
            folder / "labels.json", {"names": ["a", "b", "c"], "sha256": storage.digest(["a", "b", "c"])}
        ),
        "has no weights of this classifier",
    ),
    "no labels": (lambda folder: (folder / "labels.json").unlink(), "no file .*labels.json"),
    "no tokenizer": (lambda folder: shutil.rmtree(folder / "tokenizer"), "model.encoder"),
    "no encoder": (lambda folder: shutil.rmtree(folder / "encoder"), "model.encoder"),
    "a tokenizer of garbage": (lambda folder: (folder / "tokenizer/tokenizer.json").write_text("x"), "tokenizer"),
    "an encoder of garbage": (lambda folder: (folder / "encoder/config.json").write_text("[]"), "encoder"),
    "weights that are pickled objects": (
        lambda folder: torch.save(nn.Identity(), folder / "model.pt"),
        "holds Python objects",
    ),
    "weights that are a bomb": (lambda folder: torch.save({"x": _Bomb()}, folder / "model.pt"), "holds Python objects"),
    "weights of garbage": (lambda folder: (folder / "model.pt").write_text("x"), "can't be read"),
    "weights of a list": (lambda folder: torch.save([1], folder / "model.pt"), "contains no weights"),
    "weights of another network": (
        _weights(lambda weights: weights.update({"head.0.weight": torch.zeros(1)})),
        "has no weights of this classifier",
    ),
    "NaN in the encoder": (
        _weights(_filled("encoder.embeddings.word_embeddings.weight", float("nan"))),
        "weights encoder.embeddings.word_embeddings.weight in .* are NaN",
    ),
}


def _first_head(weights: dict[str, torch.Tensor]) -> None:
    name = next(name for name in weights if name.startswith("head."))
    weights[name].fill_(float("nan"))


_CHANGED["NaN in the head"] = (_weights(_first_head), "weights head.* in .* are NaN")
CHANGED = {
    f"predict: {name}": Bad(says, ("predict", "c", "a"), {"c": _best(change)})
    for name, (change, says) in _CHANGED.items()
}
CHANGED |= {
    f"evaluate: {name}": Bad(says, ("evaluate", "-c", "c", "--out", "e"), {"c": _best(change)})
    for name, (change, says) in _CHANGED.items()
    if name.startswith(("NaN", "state.json of", "weights that"))
}
CHANGED |= {
    f"resume: {name}": Bad(says, ("train", "good.yaml", "--resume", "c"), {"c": _best(change)})
    for name, (change, says) in _CHANGED.items()
    if name.startswith("state.json")
}
DAMAGED = {
    f"without {name}": Bad(
        "no intact checkpoint",
        ("predict", "c", "a"),
        {"c": _best(lambda folder, name=name: (folder / name).unlink(), seal=False)},
    )
    for name in ("model.pt", "optimizer.pt", "manifest.json", "rng.pt", "labels.json")
}
