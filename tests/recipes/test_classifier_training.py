"""The project `classifier_training`, as its README tells to use it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from support import processes
from support.paths import ROOT
from support.readme import assert_rebuilds

EXAMPLE = ROOT / "recipes/classifier_training/classifier_training.example.yaml"


def test_the_documented_example_runs_as_it_stands(tiny_bert: Path, rows: Path, tmp_path: Path) -> None:
    """`cp classifier_training.example.yaml config.yaml`, edit, `python train_classifier.py --config config.yaml`."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE.parent, project)
    text = (project / EXAMPLE.name).read_text(encoding="utf-8")
    edits = {
        "data/train.parquet": str(rows),
        "model_name: minilm ": f"model_name: {tiny_bert} ",
        "max_seq_length: 128": "max_seq_length: 32",
        "num_epochs: 3": "num_epochs: 1",
    }
    for before, after in edits.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    (project / "config.yaml").write_text(text, encoding="utf-8")
    done = processes.run("train_classifier.py", "--config", "config.yaml", cwd=project)
    assert done.returncode == 0, done.stderr
    checkpoints = project / "checkpoints"
    for name in ("model.pt", "optimizer.pt", "scheduler.pt", "state.json"):
        assert (checkpoints / "best" / name).is_file()
        assert list(checkpoints.glob(f"step_*/{name}"))
    assert (checkpoints / "validation/confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    scores = json.loads((checkpoints / "validation/metrics.json").read_text())
    assert {"loss", "accuracy", "precision", "recall", "f1", "confusion_matrix"} <= set(scores)
    assert "best checkpoint  checkpoints/best" in done.stdout
    assert not (checkpoints / ".neptune").exists(), "nothing of Neptune is set"
    assert_rebuilds(project / "README.md", "checkpoints", checkpoints, checkpoints / "best")
