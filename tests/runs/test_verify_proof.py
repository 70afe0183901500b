"""A freeze proof that was edited, replaced or deleted is noticed, even if its hashes were rewritten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from support.finished_runs import NAME, PROOF, fails, rehash
from tithe import storage
from tithe.checkpoints import tensors
from tithe.errors import TitheError
from tithe.runs import verify
from tithe.storage import run_files
from tithe.storage.freeze_proof import content

# Each changes what a proof says; `other` is a hash that is not that of any tensor.
OTHER = "0" * 64


def consistent(proof: dict[str, Any]) -> None:
    """Recompute whatever follows from the tensors."""
    proof.update(content(proof["freeze"], proof["tensors"]))


def both_replaced(proof: dict[str, Any]) -> None:
    proof["tensors"][NAME].update(before=OTHER, after=OTHER)
    consistent(proof)


def before_replaced(proof: dict[str, Any]) -> None:
    proof["tensors"][NAME]["before"] = OTHER
    consistent(proof)


def overall_left_as_it_was(proof: dict[str, Any]) -> None:
    proof["tensors"][NAME].update(before=OTHER, after=OTHER)


def overall_replaced(proof: dict[str, Any]) -> None:
    proof["overall"] = {"before": OTHER, "after": OTHER}


def not_holding(proof: dict[str, Any]) -> None:
    proof.update(holds=False)


def holding_nothing(proof: dict[str, Any]) -> None:
    proof.update(holds=None)


def holding_though_changed(proof: dict[str, Any]) -> None:
    before_replaced(proof)
    proof.update(holds=True, changed=[], verdict="frozen: no frozen tensor changed")


def changed_by_its_own_word(proof: dict[str, Any]) -> None:
    proof.update(changed=[NAME])


def of_another_run(proof: dict[str, Any]) -> None:
    proof.update(content(1, proof["tensors"]))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (both_replaced, NAME),
        (before_replaced, NAME),
        (overall_left_as_it_was, PROOF),
        (overall_replaced, PROOF),
        (not_holding, PROOF),
        (holding_nothing, PROOF),
        (holding_though_changed, PROOF),
        (changed_by_its_own_word, PROOF),
        (of_another_run, PROOF),
    ],
)
@pytest.mark.parametrize("kind", ["frozen", "single"])
def test_a_proof_that_was_edited_is_noticed(
    kind: str, edit: Callable[[dict[str, Any]], None], says: str, copy: Callable[[str], Path]
) -> None:
    home = copy(kind)
    proof = storage.read_json(home / PROOF)
    edit(proof)
    storage.write_json(home / PROOF, proof)
    rehash(home)
    assert says in fails(home)


def thawed(proof: dict[str, Any]) -> None:
    """Say of the changed tensor that it was never frozen."""
    proof["tensors"][NAME]["frozen"] = False


def all_thawed(proof: dict[str, Any]) -> None:
    for entry in proof["tensors"].values():
        entry["frozen"] = False


def forgotten(proof: dict[str, Any]) -> None:
    del proof["tensors"][NAME]


@pytest.mark.parametrize("edit", [thawed, all_thawed, forgotten])
@pytest.mark.parametrize("kind", ["frozen", "single"])
def test_a_frozen_tensor_that_changed_is_not_talked_away(
    kind: str, edit: Callable[[dict[str, Any]], None], copy: Callable[[str], Path]
) -> None:
    home = copy(kind)
    proof = storage.read_json(home / PROOF)
    for file in ("checkpoints/best/encoder.pt",) if kind == "frozen" else (run_files.BEST, run_files.FINAL):
        weights = torch.load(home / file, weights_only=True)
        weights[NAME].view(-1)[0] += 1
        torch.save(weights, home / file)
    proof["tensors"][NAME]["after"] = tensors.sha256(weights[NAME])
    edit(proof)
    consistent(proof)
    storage.write_json(home / PROOF, proof)
    rehash(home)
    assert "changed" in fails(home)


POSITIONS = "encoder.embeddings.position_embeddings.weight"


@pytest.mark.parametrize(
    ("moved", "why"),
    [(True, "it was not frozen, and changed in training"), (False, "the proof was changed, or froze less")],
)
def test_a_proof_that_leaves_out_what_the_config_freezes_is_said_to(
    moved: bool, why: str, copy: Callable[[str], Path]
) -> None:
    home = copy("layers")
    proof = storage.read_json(home / PROOF)
    for file in (run_files.BEST, run_files.FINAL, "checkpoints/best/model.pt", "checkpoints/best/ema.pt"):
        weights = torch.load(home / file, weights_only=True)
        weights[POSITIONS].view(-1)[0] += moved
        torch.save(weights, home / file)
    proof["tensors"][POSITIONS].update(frozen=False, after=tensors.sha256(weights[POSITIONS]))
    consistent(proof)
    assert proof["holds"] is True
    storage.write_json(home / PROOF, proof)
    rehash(home)
    assert fails(home) == f"{home / PROOF} leaves out {POSITIONS}, which model.freeze 1 freezes: {why}"


BARE = {NAME: {"frozen": True, "before": OTHER, "after": OTHER}}


@pytest.mark.parametrize(
    "written",
    [
        "no json",
        "{}",
        "[]",
        '{"tensors": {}}',
        '{"freeze": "all", "tensors": {"x": {}}}',
        json.dumps(content("all", BARE)),
    ],
)
def test_a_proof_that_is_none_is_one_line(written: str, copy: Callable[[str], Path]) -> None:
    home = copy("frozen")
    (home / PROOF).write_text(written)
    rehash(home)
    with pytest.raises(TitheError) as error:
        verify.verify_run(home)
    assert "proof" in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_proof_that_says_it_holds_though_a_tensor_changed_is_noticed(copy: Callable[[str], Path]) -> None:
    home = copy("single")
    proof = storage.read_json(home / PROOF)
    for file in (run_files.BEST, run_files.FINAL):
        weights = torch.load(home / file, weights_only=True)
        weights[NAME].view(-1)[0] += 1
        torch.save(weights, home / file)
    proof["tensors"][NAME]["after"] = tensors.sha256(weights[NAME])
    consistent(proof)
    assert proof["holds"] is False and proof["changed"] == [NAME]
    proof.update(holds=True, changed=[], verdict="frozen: no frozen tensor changed")
    storage.write_json(home / PROOF, proof)
    rehash(home)
    assert PROOF in fails(home)
    consistent(proof)  # nor does it pass when it admits it
    storage.write_json(home / PROOF, proof)
    rehash(home)
    assert NAME in fails(home)


@pytest.mark.parametrize("kind", ["frozen", "single", "layers"])
def test_a_proof_that_was_deleted_is_missed(kind: str, copy: Callable[[str], Path]) -> None:
    home = copy(kind)
    (home / PROOF).unlink()
    rehash(home)
    assert "has no freeze_proof.json, though its config freezes the encoder" in fails(home)
