"""An export behind the server: the answers that its own users get, one text at a time where the format needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from support.serving import with_server
from support.texts import make_texts
from tithe import plugins, storage
from tithe.errors import InputError, TitheError
from tithe.export import inputs
from tithe.export.source import Source
from tithe.export.targets import Target
from tithe.serve import exported
from tithe.serve.predictor import Checkpoint

TEXTS = [*make_texts(6)[0], "goal " * 90, " the\tteam\u200b and the  coach "]


def written(checkpoint: Checkpoint, name: str, folder: Path, **changed: object) -> Path:
    """An export whose rows nobody compared."""
    about = {"target": name, "task": "text", "accept": 1.0, "tolerance": 1e-3, "data": {}, "rows": 8, "equal_labels": 1}
    with storage.atomic_folder(folder) as aside:
        cast(Target, plugins.load("targets", name)).write(Source.of(checkpoint.model), aside)
        storage.write_json(aside / "parity.json", about | changed)
    return folder


@pytest.mark.parametrize(
    "name", ["huggingface", *(pytest.param(each, marks=pytest.mark.slow) for each in ("onnx", "int8"))]
)
def test_an_export_answers_as_it_does_elsewhere(
    name: str, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])  # onnxruntime's quantisation adds to it
    folder = written(checkpoint, name, tmp_path / "export")
    opened = exported.open_export(folder, exact=False)
    assert isinstance(opened, exported.Exported) and (0 < opened.noise < 1e-5) == (name != "int8")
    network = cast(Target, plugins.load("targets", name)).open(folder)
    expected_NC = inputs.run(network, inputs.open_preparation(folder), TEXTS, 1, lambda rows: None)
    replies: list[dict[str, Any]] = with_server(opened, lambda client: client.ask(TEXTS)).json["predictions"]
    probs_NC = [list(each["probabilities"].values()) for each in replies]
    np.testing.assert_allclose(probs_NC, expected_NC, rtol=0, atol=1e-5 if name != "int8" else 1e-9)
    assert [each["label"] for each in replies] == [opened.names[i] for i in expected_NC.argmax(axis=1)]
    assert [each["truncated"] for each in replies] == [each.truncated for each in checkpoint.model.predict(TEXTS)]
    assert ("again alone in float32" in opened.note) == (name != "int8") and f"to {name}, which" in opened.note
    explained = opened.explain(TEXTS[0])
    assert explained.prediction.label == replies[0]["label"] and len(explained.words) == len(TEXTS[0].split())
    exact = exported.open_export(folder, exact=True)
    found_NC = [list(each.probabilities.values()) for each in exact.predict(exact.encode(TEXTS))]
    assert np.array_equal(found_NC, expected_NC) and exact.note.endswith("each text is computed alone")


def test_an_export_that_has_changed_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = written(checkpoint, "huggingface", tmp_path / "export")
    with (folder / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(TitheError, match=r"has changed since it was written: config\.json"):
        exported.open_export(folder, exact=False)


def test_an_export_of_images_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = written(checkpoint, "huggingface", tmp_path / "export", task="image")
    with pytest.raises(InputError, match="classifies images, and the server takes texts"):
        exported.open_export(folder, exact=False)
