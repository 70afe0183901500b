"""The single files that a run leaves when asked: what they hold, and that they are enough by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support.finished_runs import PROOF, Finished
from support.texts import make_texts, write_rows
from tithe import config, pipeline, storage
from tithe.checkpoints import store
from tithe.errors import InputError
from tithe.models import inference
from tithe.predict import load
from tithe.storage import run_files
from tithe.tasks import text

TEXTS = ["goal team win league", "rocket to the moon", "a star of the season was new", ""]


@pytest.fixture(params=["single", "layers"])
def home(request: pytest.FixtureRequest, finished: Finished) -> Path:
    """Each of the runs that left single files."""
    return finished.homes[request.param]


def task_of(home: Path) -> Any:
    return text.open(config.parse(storage.read_json(home / "config.json")))


def test_a_run_leaves_the_single_files_when_asked(finished: Finished) -> None:
    names = {run_files.BEST, run_files.FINAL, run_files.HEAD, run_files.LABEL_TO_ID, run_files.ID_TO_LABEL, "tokenizer"}
    for kind, home in finished.homes.items():
        found = {name for name in names if (home / name).exists()}
        assert found == (names if kind in ("single", "layers") else set())
        assert (home / PROOF).exists() is (kind != "plain")


@pytest.mark.parametrize("name", [run_files.BEST, run_files.FINAL, run_files.HEAD])
def test_weights_fit_the_network_strictly_and_run_nothing(name: str, home: Path) -> None:
    weights = torch.load(home / name, weights_only=True)
    model = task_of(home).build(2, seed=9)
    target = model.head if name == run_files.HEAD else model
    target.load_state_dict(weights, strict=True)
    assert {value.device.type for value in weights.values()} == {"cpu"}
    if name != run_files.FINAL:
        best = torch.load(home / run_files.BEST, weights_only=True)
        head = {key.removeprefix("head."): value for key, value in best.items() if key.startswith("head.")}
        assert head and all(torch.equal(model.head.state_dict()[key], value) for key, value in head.items())


def test_the_two_maps_of_labels_are_inverse(home: Path) -> None:
    to_id, from_id = (storage.read_json(home / name) for name in (run_files.LABEL_TO_ID, run_files.ID_TO_LABEL))
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
    names = [str(name) for name in load(home).labels.names]
    symbols = {"sport": "A", "space": "B"}
    assert storage.read_json(home / run_files.LABEL_TO_ID) == {symbols[name]: i for i, name in enumerate(names)}
    assert storage.read_json(home / run_files.ID_TO_LABEL) == {str(i): symbols[name] for i, name in enumerate(names)}


def test_the_tokenizer_opens_without_us(home: Path, finished: Finished) -> None:
    from transformers import AutoTokenizer

    found, expected = (AutoTokenizer.from_pretrained(folder) for folder in (home / "tokenizer", finished.encoder))
    assert found(TEXTS)["input_ids"] == expected(TEXTS)["input_ids"]
    assert found.get_vocab() == expected.get_vocab()


@pytest.mark.parametrize("kind", ["single", "layers"])
@pytest.mark.parametrize("name", ["", run_files.BEST, run_files.FINAL])
def test_every_file_of_weights_predicts(kind: str, name: str, copy: Callable[[str], Path]) -> None:
    home = copy(kind)
    last = home / "checkpoints/step_00000024"
    # The averaged weights are the best's; the last step's own are the final ones.
    weights = torch.load(last / "model.pt", weights_only=True) if name == run_files.FINAL else None
    task = task_of(home)
    model = task.build(2, seed=0)
    wanted = weights or store.weights(home / "checkpoints/best")
    model.load_state_dict({**model.state_dict(), **wanted})
    expected = inference.softmax(inference.logits(model, task.examples(TEXTS)))
    found = load(home / name if name else home)
    got = inference.softmax(found.outputs(found.task.examples(TEXTS)))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    assert (found.temperature is None) is (name == run_files.FINAL), "it was fitted to the best weights"
    assert [p.label for p in found.predict(TEXTS)] == [["space", "sport"][i] for i in expected.argmax(axis=1)]


def test_single_files_need_nothing_of_their_origin(copy: Callable[[str], Path], finished: Finished) -> None:
    home = copy("single")
    expected = load(home).predict(TEXTS)
    hidden = finished.encoder.rename(finished.encoder.with_name("hidden"))
    try:
        assert load(home).predict(TEXTS) == expected
    finally:
        hidden.rename(finished.encoder)


@pytest.mark.parametrize("kind", ["single", "layers"])
def test_a_head_alone_is_no_classifier(kind: str, finished: Finished) -> None:
    with pytest.raises(InputError) as error:
        load(finished.homes[kind] / run_files.HEAD)
    said = str(error.value)
    assert run_files.HEAD in said and "no weights of a complete classifier" in said and len(said.splitlines()) == 1


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
    damage(home / run_files.BEST)
    with pytest.raises(InputError) as error:
        load(home / run_files.BEST)
    assert str(home / run_files.BEST) in str(error.value) and len(str(error.value).splitlines()) == 1
