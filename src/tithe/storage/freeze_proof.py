"""The content of a freeze proof, and whether it is consistent with its own digests. No tensor is read here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tithe.storage import hashing

FILE = "freeze_proof.json"
LORA = "lora"  # instead of a `model.freeze`: all of the encoder is frozen, and adapters are trained beside it
PARAMETER, BUFFER, NOT_SAVED = "parameter", "buffer", "buffer, not saved"
KINDS = (PARAMETER, BUFFER, NOT_SAVED)
MEANING = (
    "every tensor of the encoder is compared as it was in training, where the adapters lay beside it; the saved weight "
    "of a layer with an adapter is the sum of both, W + alpha / rank * B A, whose SHA-256 is its 'merged'; every other "
    "tensor was saved as it had been before training"
)
ALGORITHM = "SHA-256 over the dtype, the shape and the bytes in row-major order of each tensor"


def asked(run: Mapping[str, Any]) -> str | int:
    """Return what a config freezes of its encoder, as plain values: its `model.freeze`, or `lora`; of images `all`."""
    if run.get("task") == "image":
        images = run.get("images", {})
        return "none" if images.get("mode") != "foundation" else LORA if images.get("lora") else "all"
    return LORA if run["model"].get("lora") else run["model"]["freeze"]


def overall(digests: Mapping[str, str]) -> str:
    """Return one SHA-256 over the names and digests of tensors."""
    return hashing.digest(sorted(digests.items()))


def content(setting: str | int, tensors: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the content of `freeze_proof.json`.

    Parameters
    ----------
    setting
        The config's `model.freeze`, or `lora`.
    tensors
        For every tensor of the encoder by its name: whether it was `frozen`, its SHA-256 `before` and `after`
        training, and further fields that describe it: `merged` is the SHA-256 that it has with an adapter added.
    """
    frozen = {name: entry for name, entry in tensors.items() if entry["frozen"]}
    changed = sorted(name for name, entry in frozen.items() if entry["before"] != entry["after"])
    covered = frozen or tensors
    return {
        "freeze": setting,
        "verdict": _verdict(bool(frozen), bool(changed)),
        "holds": not changed if frozen else None,
        "changed": changed,
        "tensors_in_encoder": len(tensors),
        "tensors_frozen": len(frozen),
        "tensors_that_moved": sum(entry["before"] != entry["after"] for entry in tensors.values()),
        **({"meaning": MEANING} if setting == LORA else {}),
        "algorithm": ALGORITHM,
        "overall": {
            when: overall({name: entry[when] for name, entry in covered.items()}) for when in ("before", "after")
        },
        "tensors": dict(tensors),
    }


def agrees(proof: Mapping[str, Any], setting: str | int) -> bool:
    """Return whether a proof belongs to what a config freezes (see `asked`) and is consistent with its own digests."""
    tensors = proof.get("tensors")
    if not isinstance(tensors, dict) or not tensors:
        return False
    if not all(isinstance(entry, dict) and entry.get("kind") in KINDS for entry in tensors.values()):
        return False
    try:
        return proof == content(setting, tensors) and (proof["tensors_frozen"] > 0) == (setting != "none")
    except (KeyError, TypeError):
        return False


def _verdict(is_frozen: bool, changed: bool) -> str:
    if not is_frozen:
        return "not frozen: the encoder was trained"
    return "broken: frozen tensors changed" if changed else "frozen: no frozen tensor changed"
