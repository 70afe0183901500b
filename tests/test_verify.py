"""`tithe verify` against everything that can be changed in a finished run, and the single files that a run leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from conftest import make_texts, write_rows
from test_text_task import copied
from tithe import artifacts, checkpoint, config, pipeline, predict, records, tensors, trained, verify
from tithe.errors import InputError, TitheError
from tithe.proof import content
from tithe.tasks import text

TEXTS = ["goal team win league", "rocket to the moon", "a star of the season was new", ""]
PROOF = "freeze_proof.json"
NAME = "encoder.encoder.layer.1.output.dense.weight"


class Finished(NamedTuple):
    """Runs that nobody may change, and the encoder they came from."""

    encoder: Path
    homes: dict[str, Path]


@pytest.fixture(scope="module")
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
    """What an attacker does after a change: write every manifest anew."""
    for manifest in sorted(home.rglob(records.MANIFEST), key=lambda path: -len(path.parts)):
        there = [manifest.parent / name for name in records.read_json(manifest)]
        records.write_manifest(manifest.parent, [path for path in there if path.exists()])


def fails(home: Path) -> str:
    with pytest.raises(TitheError) as error:
        verify.verify(home)
    assert error.value.exit_code == 1 and len(str(error.value).splitlines()) == 1
    return str(error.value)


# ---- what is as it was


@pytest.mark.parametrize("kind", ["frozen", "single", "layers", "plain"])
def test_a_finished_run_verifies(kind: str, finished: Finished) -> None:
    home = finished.homes[kind]
    lines = verify.verify(home)
    assert lines[0] == f"{home}: every file is as it was written"
    weights = {
        "frozen": ["checkpoints/best"],
        "single": [artifacts.BEST, artifacts.FINAL],
        "layers": [artifacts.BEST, artifacts.FINAL, "checkpoints/best"],
        "plain": [],
    }[kind]
    assert [line.split(":")[0] for line in lines[1 : len(weights) + 1]] == weights
    if kind != "plain":
        assert lines[-1].endswith("its tensors are the proof's 'before'; frozen: no frozen tensor changed")
    assert len(lines) == 1 + len(weights) + (kind != "plain")


@pytest.mark.parametrize("kind", ["frozen", "single", "layers", "plain"])
def test_a_checkpoint_verifies(kind: str, finished: Finished) -> None:
    for folder in checkpoint.all_in(finished.homes[kind] / "checkpoints"):
        assert verify.verify(folder) == [f"{folder}: every file is as it was written"]


def test_a_proof_outlives_its_encoder(copy: Callable[[str], Path], finished: Finished) -> None:
    hidden = finished.encoder.rename(finished.encoder.with_name("hidden"))
    try:
        assert "the proof's word stands for it" in verify.verify(copy("frozen"))[-1]
    finally:
        hidden.rename(finished.encoder)


# ---- what is not


@pytest.mark.parametrize("kind", ["frozen", "single"])
def test_one_byte_of_any_file_is_noticed(kind: str, copy: Callable[[str], Path]) -> None:
    home = copy(kind)
    verify.verify(home)
    unnoticed = []
    files = sorted(path for path in home.rglob("*") if path.is_file())
    assert len(files) > 40
    for path in files:
        good = path.read_bytes()
        middle = len(good) // 2
        path.write_bytes(good[:middle] + bytes([good[middle] ^ 4]) + good[middle + 1 :] if good else b"x")
        try:
            verify.verify(home)
        except TitheError as error:
            assert path.name == records.MANIFEST or path.relative_to(home).as_posix() in str(error)
        else:
            unnoticed.append(path.relative_to(home).as_posix())
        path.write_bytes(good)
    assert unnoticed == []


@pytest.mark.parametrize("name", ["model.pt", "encoder.pt", "metrics.json"])
def test_a_file_that_has_gone_is_named(name: str, copy: Callable[[str], Path]) -> None:
    home = copy("frozen")
    path = next(home.rglob(name))
    path.unlink()
    assert path.relative_to(home).as_posix() in fails(home)


@pytest.mark.parametrize(
    ("kind", "file", "name"),
    [
        ("frozen", "checkpoints/best/encoder.pt", NAME),
        ("single", artifacts.BEST, NAME),
        ("single", artifacts.FINAL, NAME),
        ("layers", artifacts.BEST, "encoder.embeddings.word_embeddings.weight"),
        ("layers", artifacts.BEST, NAME),  # trained, and in the proof as it was after training
        ("layers", artifacts.FINAL, "encoder.encoder.layer.0.output.dense.weight"),
    ],
)
def test_one_weight_is_noticed_though_the_hashes_were_written_anew(
    kind: str, file: str, name: str, copy: Callable[[str], Path]
) -> None:
    home = copy(kind)
    weights = torch.load(home / file, weights_only=True)
    weights[name].view(-1)[-1] += 1e-3
    torch.save(weights, home / file)
    rehash(home)
    assert not records.broken_files(home)
    said = fails(home)
    assert name in said and str(home / file).removesuffix("/encoder.pt") in said


def test_a_tensor_left_out_of_the_weights_is_named(copy: Callable[[str], Path]) -> None:
    home = copy("single")
    weights = torch.load(home / artifacts.BEST, weights_only=True)
    del weights[NAME]
    torch.save(weights, home / artifacts.BEST)
    rehash(home)
    assert f"lacks {NAME}" in fails(home)


def test_the_encoder_of_the_best_left_out_is_noticed(copy: Callable[[str], Path]) -> None:
    home = copy("frozen")
    (home / "checkpoints/best/encoder.pt").unlink()
    rehash(home)
    assert "checkpoints/best" in fails(home)


# Each changes what a proof says; `other` is a hash that is not that of any tensor.
OTHER = "0" * 64


def consistent(proof: dict[str, Any]) -> None:
    """Compute anew whatever follows from the tensors."""
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
    proof = records.read_json(home / PROOF)
    edit(proof)
    records.write_json(home / PROOF, proof)
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
    proof = records.read_json(home / PROOF)
    for file in ("checkpoints/best/encoder.pt",) if kind == "frozen" else (artifacts.BEST, artifacts.FINAL):
        weights = torch.load(home / file, weights_only=True)
        weights[NAME].view(-1)[0] += 1
        torch.save(weights, home / file)
    proof["tensors"][NAME]["after"] = tensors.sha256(weights[NAME])
    edit(proof)
    consistent(proof)
    records.write_json(home / PROOF, proof)
    rehash(home)
    assert "changed" in fails(home)


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
        verify.verify(home)
    assert "proof" in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_proof_that_says_it_holds_though_a_tensor_changed_is_noticed(copy: Callable[[str], Path]) -> None:
    home = copy("single")
    proof = records.read_json(home / PROOF)
    for file in (artifacts.BEST, artifacts.FINAL):
        weights = torch.load(home / file, weights_only=True)
        weights[NAME].view(-1)[0] += 1
        torch.save(weights, home / file)
    proof["tensors"][NAME]["after"] = tensors.sha256(weights[NAME])
    consistent(proof)
    assert proof["holds"] is False and proof["changed"] == [NAME]
    proof.update(holds=True, changed=[], verdict="frozen: no frozen tensor changed")
    records.write_json(home / PROOF, proof)
    rehash(home)
    assert PROOF in fails(home)
    consistent(proof)  # nor does it pass when it admits it
    records.write_json(home / PROOF, proof)
    rehash(home)
    assert NAME in fails(home)


@pytest.mark.parametrize("kind", ["frozen", "single", "layers"])
def test_a_proof_that_was_deleted_is_missed(kind: str, copy: Callable[[str], Path]) -> None:
    home = copy(kind)
    (home / PROOF).unlink()
    rehash(home)
    assert "has no freeze_proof.json, though its config freezes the encoder" in fails(home)


@pytest.mark.parametrize("kind", ["frozen", "single", "layers"])
def test_an_encoder_that_changed_after_training_is_noticed(
    kind: str, copy: Callable[[str], Path], finished: Finished
) -> None:
    from safetensors.torch import load_file, save_file

    path = finished.encoder / "model.safetensors"
    good, weights = path.read_bytes(), load_file(path)
    weights["encoder.layer.1.output.dense.weight"].view(torch.int32)[0, 0] ^= 1
    save_file(weights, path, metadata={"format": "pt"})
    try:
        said = fails(copy(kind))
    finally:
        path.write_bytes(good)
    assert NAME in said and str(finished.encoder) in said and "before" in said


# ---- the command


def nowhere(home: Path) -> Path:
    return home / "nowhere"


def unfinished(home: Path) -> Path:
    (home / records.MANIFEST).unlink()
    return home


def a_file(home: Path) -> Path:
    return home / "metrics.json"


@pytest.mark.parametrize("wrong", [nowhere, unfinished, a_file])
def test_what_is_no_finished_run_is_exit_2(
    wrong: Callable[[Path], Path], copy: Callable[[str], Path], tithe: Callable[..., Any]
) -> None:
    path = wrong(copy("frozen"))
    code, out, err = tithe("verify", path)
    expected = f"error: {path} has no manifest.json: pass the directory of a finished run, or a checkpoint"
    assert (code, out, err) == (2, "", [expected])


def test_the_command_says_what_it_found(copy: Callable[[str], Path], tithe: Callable[..., Any]) -> None:
    home = copy("single")
    code, out, err = tithe("verify", home)
    assert (code, err) == (0, []) and out.splitlines() == verify.verify(home)
    (home / artifacts.BEST).write_bytes(b"other")
    assert tithe("verify", home) == (1, "", [f"error: {home} is not what was written: {artifacts.BEST}"])


# ---- single files


@pytest.fixture(params=["single", "layers"])
def home(request: pytest.FixtureRequest, finished: Finished) -> Path:
    """Each of the runs that left single files."""
    return finished.homes[request.param]


def task_of(home: Path) -> Any:
    return text.open_task(config.parse(records.read_json(home / "config.json")))


def test_a_run_leaves_the_single_files_when_asked(finished: Finished) -> None:
    names = {artifacts.BEST, artifacts.FINAL, artifacts.HEAD, artifacts.TO_ID, artifacts.FROM_ID, "tokenizer"}
    for kind, home in finished.homes.items():
        found = {name for name in names if (home / name).exists()}
        assert found == (names if kind in ("single", "layers") else set())
        assert (home / PROOF).exists() is (kind != "plain")


@pytest.mark.parametrize("name", [artifacts.BEST, artifacts.FINAL, artifacts.HEAD])
def test_weights_fit_the_network_strictly_and_run_nothing(name: str, home: Path) -> None:
    weights = torch.load(home / name, weights_only=True)
    model = task_of(home).build(2, seed=9)
    target = model.head if name == artifacts.HEAD else model
    target.load_state_dict(weights, strict=True)
    assert {value.device.type for value in weights.values()} == {"cpu"}
    if name != artifacts.FINAL:
        best = torch.load(home / artifacts.BEST, weights_only=True)
        head = {key.removeprefix("head."): value for key, value in best.items() if key.startswith("head.")}
        assert head and all(torch.equal(model.head.state_dict()[key], value) for key, value in head.items())


def test_the_two_maps_of_labels_are_inverse(home: Path) -> None:
    to_id, from_id = (records.read_json(home / name) for name in (artifacts.TO_ID, artifacts.FROM_ID))
    assert to_id == {"space": 0, "sport": 1} and from_id == {str(i): name for name, i in to_id.items()}


def test_symbols_are_what_the_maps_name(settings: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "symbols.json").write_text(json.dumps({"sport": "A", "space": "B"}))
    texts, labels = make_texts(60)
    rows = write_rows(tmp_path / "symbols.parquet", texts, [{"sport": "A", "space": "B"}[label] for label in labels])
    raw = settings(
        data={"path": str(rows), "label_mapping": str(tmp_path / "symbols.json")},
        train={"epochs": 1},
        checkpoint={"single_files": True},
        model={"freeze": "all"},
    )
    home = pipeline.train(config.parse(raw)).home
    names = [str(name) for name in trained.load(home).labels.names]
    symbols = {"sport": "A", "space": "B"}
    assert records.read_json(home / artifacts.TO_ID) == {symbols[name]: i for i, name in enumerate(names)}
    assert records.read_json(home / artifacts.FROM_ID) == {str(i): symbols[name] for i, name in enumerate(names)}


def test_the_tokenizer_opens_without_us(home: Path, finished: Finished) -> None:
    from transformers import AutoTokenizer

    found, expected = (AutoTokenizer.from_pretrained(folder) for folder in (home / "tokenizer", finished.encoder))
    assert found(TEXTS)["input_ids"] == expected(TEXTS)["input_ids"]
    assert found.get_vocab() == expected.get_vocab()


@pytest.mark.parametrize("kind", ["single", "layers"])
@pytest.mark.parametrize("name", ["", artifacts.BEST, artifacts.FINAL])
def test_every_file_of_weights_predicts(kind: str, name: str, copy: Callable[[str], Path]) -> None:
    home = copy(kind)
    last = home / "checkpoints/step_00000024"
    # The averaged weights are the best's; the last step's own are the final ones.
    weights = torch.load(last / "model.pt", weights_only=True) if name == artifacts.FINAL else None
    task = task_of(home)
    model = task.build(2, seed=0)
    wanted = weights or checkpoint.weights(home / "checkpoints/best")
    model.load_state_dict({**model.state_dict(), **wanted})
    expected = predict.softmax(predict.logits(model, task.examples(TEXTS)))
    found = trained.load(home / name if name else home)
    got = found.probabilities(found.task.examples(TEXTS))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    assert [p.label for p in found.predict(TEXTS)] == [["space", "sport"][i] for i in expected.argmax(axis=1)]


def test_single_files_need_nothing_of_their_origin(copy: Callable[[str], Path], finished: Finished) -> None:
    home = copy("single")
    expected = trained.load(home).predict(TEXTS)
    hidden = finished.encoder.rename(finished.encoder.with_name("hidden"))
    try:
        assert trained.load(home).predict(TEXTS) == expected
    finally:
        hidden.rename(finished.encoder)


@pytest.mark.parametrize("kind", ["single", "layers"])
def test_a_head_alone_is_no_classifier(kind: str, finished: Finished) -> None:
    with pytest.raises(InputError) as error:
        trained.load(finished.homes[kind] / artifacts.HEAD)
    said = str(error.value)
    assert artifacts.HEAD in said and "no weights of a whole classifier" in said and len(said.splitlines()) == 1


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def other(path: Path) -> None:
    torch.save([1, 2], path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def a_pickle(path: Path) -> None:
    torch.save({"x": Path("x")}, path)


@pytest.mark.parametrize("damage", [cut, empty, other, a_pickle])
def test_a_file_that_holds_no_weights_is_one_line(damage: Callable[[Path], None], copy: Callable[[str], Path]) -> None:
    home = copy("single")
    damage(home / artifacts.BEST)
    with pytest.raises(InputError) as error:
        trained.load(home / artifacts.BEST)
    assert str(home / artifacts.BEST) in str(error.value) and len(str(error.value).splitlines()) == 1
