"""Verification of what a run left: every file's hash, and the freeze proof, recomputed from the saved weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tithe import config, storage
from tithe.checkpoints import locate, store, tensors
from tithe.errors import InputError, TitheError
from tithe.models import freeze
from tithe.storage import freeze_proof, run_files
from tithe.tasks import open_task


def verify_run(home: Path) -> list[str]:
    """Recompute everything that a run or a checkpoint claims of itself; return what was found, a line each.

    Raises
    ------
    InputError
        There is no finished run and no checkpoint.
    TitheError
        Something is not as it was written, or a frozen tensor is not what it was; the message names it.
    """
    if not (home / storage.MANIFEST).is_file():
        raise InputError(f"{home} has no {storage.MANIFEST}: pass the directory of a finished run, or a checkpoint")
    if bad := storage.broken_files(home):
        raise TitheError(f"{home} is not what was written: {', '.join(bad)}")
    return [f"{home}: every file is as it was written", *_freeze_proof(home)]


def _freeze_proof(home: Path) -> Iterator[str]:
    if not (home / "config.json").is_file():
        return  # a checkpoint: its proof lies with its run
    run = config.parse(storage.read_json(home / "config.json"), source=str(home / "config.json"))
    path = home / freeze_proof.FILE
    if not path.is_file():
        if run.model.freeze != "none":
            raise TitheError(f"{home} has no {freeze_proof.FILE}, though its config freezes the encoder")
        return
    found = storage.read_json(path)
    if not isinstance(found, dict) or not freeze_proof.agrees(found, run.model.freeze):
        raise TitheError(f"{path} does not follow from its own digests, or is of another config: it was changed")
    if found["holds"] is False:
        raise TitheError(f"{path}: {found['verdict']} ({', '.join(found['changed'][:3])})")
    for file, weights, is_final in _saved(home, run):
        _compare(found, weights, file, frozen_only=is_final)
        yield f"{file.relative_to(home)}: the encoder is the one in the proof, {_count(found)}"
    yield _source(found, run, home)


def _saved(home: Path, run: config.Run) -> Iterator[tuple[Path, dict[str, Any], bool]]:
    """Yield each file or folder of saved weights that holds the encoder, and whether they are the last step's."""
    for name in (run_files.BEST, run_files.FINAL):
        if run.checkpoint.single_files:
            yield home / name, dict(tensors.load(home / name)), name == run_files.FINAL
    best = home / run.checkpoint.dir / locate.BEST
    weights = store.weights(best)
    whole = any(name.startswith("encoder.") for name in weights)
    if not whole and not run.checkpoint.single_files:
        raise TitheError(f"{best} has lost the encoder that was saved with it")
    if whole:
        yield best, weights, False


def _compare(found: dict[str, Any], weights: dict[str, Any], file: Path, frozen_only: bool) -> None:
    if unknown := [name for name in weights if name.startswith("encoder.") and name not in found["tensors"]]:
        raise TitheError(f"{file}: {unknown[0]} is not in the freeze proof: it was changed")
    for name, entry in found["tensors"].items():
        if entry["kind"] == freeze_proof.NOT_SAVED or (frozen_only and not entry["frozen"]):
            continue
        if name not in weights:
            raise TitheError(f"{file} lacks {name}, which the freeze proof names")
        if tensors.sha256(weights[name]) != entry["after"]:
            raise TitheError(f"{file}: {name} is not the tensor of the freeze proof: the weights were changed")


def _source(found: dict[str, Any], run: config.Run, home: Path) -> str:
    """Hold the proof's `before` against the encoder it came from, where that still lies there."""
    try:
        task = open_task(run)
        model = task.build(2, run.seed)
    except InputError as error:
        return f"the encoder before training could not be read again ({error}): the proof's word stands for it"
    now = freeze.Proof.begin(model, run.model.freeze)
    frozen = {name for name, entry in found["tensors"].items() if entry["frozen"]}
    if now.frozen != frozen or now.before.keys() != found["tensors"].keys():
        raise TitheError(f"{home / freeze_proof.FILE} is of other tensors than the config freezes: it was changed")
    if changed := [name for name, entry in found["tensors"].items() if now.before.get(name) != entry["before"]]:
        raise TitheError(f"{run.model.encoder}: {changed[0]} is not what the freeze proof of {home} says it was before")
    return f"{run.model.encoder}: its tensors are the proof's 'before'; {found['verdict']}"


def _count(found: dict[str, Any]) -> str:
    return f"{found['tensors_frozen']} of {found['tensors_in_encoder']} tensors frozen"
