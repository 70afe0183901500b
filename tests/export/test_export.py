"""A run is exported whole or not at all, and its export proves what it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from support.exports import Exported
from support.finished_runs import rehash
from support.texts import make_texts, write_rows
from tithe import storage
from tithe.errors import InputError, TitheError
from tithe.export import Request, export, verify_export
from tithe.export.targets import Target
from tithe.predict import load

FILES = {
    *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *("README.md", "parity.json", "parity_rows.parquet", "manifest.json"),
}


def test_an_export_is_whole_and_says_what_it_is(exported: Exported) -> None:
    folder = exported.folder
    assert {path.name for path in folder.iterdir()} == FILES and storage.broken_files(folder) == []
    parity = json.loads((folder / "parity.json").read_text())
    assert parity["rows"] == 120 and parity["parts"] == {"test": 24, "validation": 12, "train": 84}
    assert parity["equal_labels"] == 1.0 and 0 < parity["largest_difference"] < 1e-5
    assert parity["neighbours"]["equal_labels"] == 1.0 and parity["accuracy"]["tithe"] == parity["accuracy"]["export"]
    assert parity["data"]["files"] == ["../rows.parquet"]  # no path of its user
    rows = pq.read_table(folder / "parity_rows.parquet")
    assert rows.schema.names == ["sha256", "probabilities"] and rows.num_rows == 120


@pytest.mark.usefixtures("seeded")
def test_a_pipeline_agrees_with_predict(exported: Exported) -> None:
    from transformers import pipeline

    texts = make_texts(60)[0]
    trained = load(exported.run)
    assert trained.temperature and abs(trained.temperature.temperature - 1) > 0.01  # else nothing is seen of it
    expected = trained.predict(texts, exact=True)
    answers = pipeline("text-classification", model=str(exported.folder), device="cpu")(texts, truncation=True)
    assert [a["label"] for a in answers] == [p.label for p in expected]
    assert max(abs(a["score"] - p.probability) for a, p in zip(answers, expected, strict=True)) < 1e-5


def test_the_card_says_what_it_was_made_of(exported: Exported) -> None:
    card = (exported.folder / "README.md").read_text(encoding="utf-8")
    metrics = json.loads((exported.run / "metrics.json").read_text())["test"]
    made_of = json.loads((exported.run / "checkpoints/best/state.json").read_text())["made_of"]
    low, high = metrics["interval_95"]["accuracy"]
    assert card.startswith('---\nlicense: "mit"\npipeline_tag: "text-classification"\nlibrary_name: "transformers"\n')
    assert f"| test | 24 | accuracy | {metrics['accuracy']:.4f} | {low:.4f} to {high:.4f} |" in card
    assert made_of["data"] in card and "| data | rows.parquet |" in card and "no code of this folder runs" in card
    assert "## Limits" in card and card.endswith("## Licence\n\nmit\n")
    assert str(exported.run.parent) not in card


def test_an_export_verifies_until_something_changes(exported: Exported, tmp_path: Path) -> None:
    assert verify_export(exported.folder)[1].startswith("120 rows: 100.00% have the label of tithe")
    for name in sorted(FILES - {"manifest.json"}):
        folder = Path(shutil.copytree(exported.folder, tmp_path / name))
        with (folder / name).open("ab") as file:
            file.write(b" ")
        with pytest.raises(TitheError, match=f"has changed since it was written: {name}"):
            verify_export(folder)


def test_changed_weights_are_found_even_with_new_hashes(exported: Exported, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported.folder, exported.folder.with_name("changed")))
    weights = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] *= 3  # the same labels, with more confidence
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    rehash(folder)
    with pytest.raises(TitheError, match=r"changed: a probability differs from that of tithe"):
        verify_export(folder)


def test_the_rows_may_be_elsewhere(exported: Exported, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported.folder, tmp_path / "far/away"))
    with pytest.raises(InputError, match="does not exist: pass them with --data"):
        verify_export(folder)
    assert len(verify_export(folder, exported.rows)) == 2
    other = write_rows(tmp_path / "other.parquet", *make_texts(40))
    with pytest.raises(TitheError, match=r"of the 120 rows that .* was compared on are missing or changed"):
        verify_export(folder, other)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"target": "pickle"}, "new", "unknown target 'pickle': choose one of huggingface, int8, onnx"),
    ({"target": "huggingface", "accept": 98}, "new", "--accept 98 is not a share"),
    ({"target": "huggingface"}, "there", "exists already"),
    ({"target": "huggingface"}, "run/export", "is inside the run"),
]


@pytest.mark.parametrize(("request_", "out", "says"), REFUSED, ids=[row[2][:20] for row in REFUSED])
def test_a_wrong_request_is_refused_at_once(
    exported: Exported, request_: dict[str, Any], out: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/notes.txt").touch()
    folder = exported.run / "export" if out == "run/export" else tmp_path / out
    with pytest.raises(InputError, match=says):
        export(exported.run, Request(**request_), folder)
    assert not folder.exists() or out == "there"


def broken(member: Any, by: float) -> Callable[..., None]:
    """A format that writes other weights than those of the run."""
    write = member.write

    def changed(source: Any, folder: Path) -> None:
        with torch.no_grad():
            for weight in source.model.get_submodule("head.rest.classifier").parameters():
                weight.mul_(by)
        write(source, folder)

    return changed


@pytest.mark.parametrize(("by", "accept", "says"), [
    (-1.0, 1.0, r"gives the label of tithe to 0\.00% of 120 rows, and at least 100\.00%"),
    (-1.0, 0.0, "it is another classifier"),
    (3.0, 1.0, "it is another classifier"),
])  # fmt: skip
def test_nothing_is_left_of_what_is_not_alike(
    exported: Exported, by: float, accept: float, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tithe import plugins

    member: Target | Any = plugins.load("targets", "huggingface")
    monkeypatch.setattr(member, "write", broken(member, by))
    with pytest.raises(TitheError, match=says) as error:
        export(exported.run, Request("huggingface", accept), tmp_path / "export")
    assert error.value.exit_code == 1 and list(tmp_path.iterdir()) == []


def test_data_that_have_changed_are_refused(exported: Exported, tmp_path: Path) -> None:
    backup = exported.rows.read_bytes()
    try:
        write_rows(exported.rows, *make_texts(40))
        with pytest.raises(InputError, match="has changed since training: an export is compared on rows of its run"):
            export(exported.run, Request("huggingface"), tmp_path / "export")
    finally:
        exported.rows.write_bytes(backup)
    assert list(tmp_path.iterdir()) == []


def test_the_command_exports_and_verifies(exported: Exported, tithe: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "export"
    code, out, err = tithe("export", exported.run, "--to", "huggingface", "--out", folder, "--rows", 30, "--json")
    assert code == 0 and json.loads(out)["rows"] == 30 and json.loads(out)["parts"] == {"test": 24, "validation": 6}
    code, out, err = tithe("verify", folder)
    assert code == 0 and "30 rows: 100.00% have the label of tithe" in out, err
    code, out, err = tithe("verify", exported.run, "--data", exported.rows)
    assert code == 2 and "is for the rows of an export" in err[-1]
