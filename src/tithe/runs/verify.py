"""Verify a finished run: the hash of every file, and the freeze proof recomputed from the saved weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tithe import config, plugins, storage
from tithe.checkpoints import locate, store, tensors
from tithe.errors import InputError, TitheError
from tithe.models.partial import adapters, freeze
from tithe.runs import directory
from tithe.storage import freeze_proof, run_files
from tithe.tasks import open_task

# Every finished run has these files.
_ALWAYS = {
    *(run_files.CONFIG, run_files.ENVIRONMENT, run_files.LABELS, run_files.DATA_REPORT, run_files.DROPPED),
    *(run_files.HISTORY, run_files.LOG, run_files.METRICS, run_files.REPORT),
}


def verify_run(home: Path) -> list[str]:
    """Recompute every claim of a run or a checkpoint; return the results, one per line.

    Raises
    ------
    InputError
        The path is neither a finished run nor a checkpoint.
    TitheError
        A file or a frozen tensor has changed; the message names it.
    """
    if not (home / storage.MANIFEST).is_file():
        raise InputError(f"{home} has no {storage.MANIFEST}: pass a finished run, a checkpoint or an export")
    is_checkpoint = locate.is_checkpoint(home)
    if bad := (store.damaged_files(home) if is_checkpoint else _changed(home)) or _changed_rules(home):
        raise TitheError(f"{home} has changed since it was written: {', '.join(bad)}")
    return [f"{home}: every file is unchanged", *(() if is_checkpoint else _freeze_proof(home))]


def _changed(home: Path) -> list[str]:
    """Return the files of a finished run that are missing, changed, or not in its manifest."""
    missing = _ALWAYS - storage.listed_files(home).keys()
    if bad := storage.broken_files(home, exclusive=False) or sorted(missing):
        return bad
    run = _config(home)
    elsewhere = [path for path in locate.all_in(home / run.checkpoint.dir) if not _is_inside(home, path)]
    outside = [f"{path}/{name}" for path in elsewhere for name in store.damaged_files(path)]
    return [*directory.unlisted_files(run, home), *outside]


def _changed_rules(home: Path) -> list[str]:
    """Return the damaged files of the rules of abstention, which were added to checkpoints later."""
    rules = [path for path in home.rglob(run_files.ABSTENTION) if (path / storage.MANIFEST).is_file()]
    return [f"{path.relative_to(home)}/{name}" for path in rules for name in storage.broken_files(path)]


def _is_inside(home: Path, path: Path) -> bool:
    """Return whether a checkpoint is in the run's directory, and so in its manifest; a config may put it elsewhere."""
    return path.resolve().is_relative_to(home.resolve())


def _config(home: Path) -> config.Run:
    return config.parse(storage.read_json(home / run_files.CONFIG), source=str(home / run_files.CONFIG))


def _freeze_proof(home: Path) -> Iterator[str]:
    run = _config(home)
    path = home / freeze_proof.FILE
    if not path.is_file():
        if run.frozen != "none":
            raise TitheError(f"{home} has no {freeze_proof.FILE}, though its config freezes the encoder")
        return
    proof = storage.read_json(path)
    if not isinstance(proof, dict) or not freeze_proof.agrees(proof, run.frozen):
        raise TitheError(f"{path} contradicts its own digests or the config: it was changed")
    if proof["holds"] is False:
        raise TitheError(f"{path}: {proof['verdict']} ({', '.join(proof['changed'][:3])})")
    for file, weights, is_final in _saved_weights(home, run):
        _compare(proof, weights, file, is_final)
        yield f"{file.relative_to(home)}: the encoder is the one in the proof, {_count(proof)}"
    yield _compare_source(proof, run, home)


def _saved_weights(home: Path, run: config.Run) -> Iterator[tuple[Path, dict[str, Any], bool]]:
    """Yield each file or folder of weights that contains the encoder, and whether they are from the last step."""
    for name in (run_files.BEST, run_files.FINAL):
        if run.checkpoint.single_files:
            yield home / name, dict(tensors.load(home / name)), name == run_files.FINAL
    best = home / run.checkpoint.dir / locate.BEST
    weights = store.weights(best)
    has_encoder = any(name.startswith("encoder.") for name in weights)
    if not has_encoder and not run.checkpoint.single_files:
        raise TitheError(f"{best} no longer contains the encoder that was saved with it")
    if has_encoder:
        yield best, weights, False


def _compare(proof: dict[str, Any], weights: dict[str, Any], file: Path, is_final: bool) -> None:
    if unknown := [name for name in weights if name.startswith("encoder.") and name not in proof["tensors"]]:
        raise TitheError(f"{file}: {unknown[0]} is not in the freeze proof: it was changed")
    for name, entry in proof["tensors"].items():
        if entry["kind"] == freeze_proof.NOT_SAVED or (is_final and _moves(entry)):
            continue
        if name not in weights:
            raise TitheError(f"{file} lacks {name}, which is in the freeze proof")
        if tensors.sha256(weights[name]) != entry.get("merged", entry["after"]):
            raise TitheError(f"{file}: {name} differs from the freeze proof: the weights were changed")


def _moves(entry: dict[str, Any]) -> bool:
    """Return whether a saved tensor is another one after the last step than in the best checkpoint."""
    return not entry["frozen"] or "merged" in entry


def _compare_source(proof: dict[str, Any], run: config.Run, home: Path) -> str:
    """Compare the proof's `before` with the encoder that it came from, if that can still be loaded."""
    has_adapters = run.frozen == freeze_proof.LORA and plugins.installed("peft")
    without = {
        "model": run.model.model_copy(update={"lora": None}),
        "images": run.images.model_copy(update={"lora": None}),
    }
    try:
        model = open_task(run if has_adapters else run.model_copy(update=without)).build(2, run.seed)
    except InputError as error:
        return f"the encoder before training could not be loaded ({error}): taken from the proof, not re-checked"
    now = freeze.Proof.begin(model, run.frozen)
    frozen = {name for name, entry in proof["tensors"].items() if entry["frozen"]}
    if left_out := sorted(now.frozen - frozen):
        raise TitheError(_left_out(proof, left_out, home))
    if now.frozen != frozen or now.before.keys() != proof["tensors"].keys():
        raise TitheError(f"{home / freeze_proof.FILE} has other tensors than the config freezes: it was changed")
    if changed := [name for name, entry in proof["tensors"].items() if now.before.get(name) != entry["before"]]:
        raise TitheError(f"{run.encoder}: {changed[0]} differs from its 'before' in the freeze proof of {home}")
    best = home / run.checkpoint.dir / locate.BEST
    if has_adapters and not adapters.are_added(model, store.load(best)):
        raise TitheError(f"{best}: its weights are not the sums of the encoder's and its adapters': they were changed")
    return f"{run.encoder}: its tensors match the proof's 'before'; {proof['verdict']}"


def _left_out(proof: dict[str, Any], names: list[str], home: Path) -> str:
    """Say that a proof counts tensors as trainable that the config freezes, as those of earlier versions may."""
    entries = {name: proof["tensors"][name] for name in names if name in proof["tensors"]}
    moved = [name for name, entry in entries.items() if entry["before"] != entry["after"]]
    setting, name = proof["freeze"], (moved or names)[0]
    why = "it was not frozen, and changed in training" if moved else "the proof was changed, or froze less"
    return f"{home / freeze_proof.FILE} leaves out {name}, which model.freeze {setting} freezes: {why}"


def _count(proof: dict[str, Any]) -> str:
    return f"{proof['tensors_frozen']} of {proof['tensors_in_encoder']} tensors frozen"
