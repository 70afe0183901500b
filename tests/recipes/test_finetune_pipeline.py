"""The commands of the project `finetune_pipeline`, as they are written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModel, AutoTokenizer, ModernBertModel

from support import processes
from support.finetune_pipeline import write_parts
from support.paths import ROOT
from support.texts import make_texts
from tithe.data.text import merge_parts
from tithe.models import tiny

PROJECT = ROOT / "recipes" / "finetune_pipeline"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with raw parts, in a folder of its own; returns the folder above it."""
    shutil.copytree(
        PROJECT,
        tmp_path / "finetune_pipeline",
        ignore=lambda folder, names: [n for n in names if n in ("artifacts", "combined_processed", "tiny-ModernBERT")],
    )
    shutil.rmtree(tmp_path / "finetune_pipeline/data/raw")
    write_parts(tmp_path / "finetune_pipeline/data/raw")
    return tmp_path


def command(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return processes.run(*arguments, cwd=cwd)


def test_the_documented_commands_run_as_written(project: Path) -> None:
    missing = command(project, "finetune_pipeline/scripts/train.py")
    assert missing.returncode == 2 and "preprocess_data.py' makes one" in missing.stderr
    done = command(project, "finetune_pipeline/scripts/preprocess_data.py")
    assert done.returncode == 0, done.stderr
    combined = project / "finetune_pipeline/data/combined_processed"
    assert {"combined_dataset.json", "output_to_symbol.json"} <= {p.name for p in combined.iterdir()}
    assert {record["output"] for record in json.loads((combined / "combined_dataset.json").read_text())} == set("abc")
    no_model = command(project, "finetune_pipeline/scripts/train.py")
    assert no_model.returncode == 2 and "see its README.md" in no_model.stderr
    made = command(project, "finetune_pipeline/scripts/make_tiny_model.py", "--layers", "2", "--hidden-size", "32")
    assert made.returncode == 0, made.stderr
    path = project / "finetune_pipeline/configs/train_config.json"
    raw = json.loads(path.read_text())
    raw["paths"]["base_model_dir"] = "finetune_pipeline/base_models/tiny-ModernBERT"
    raw["training"]["epochs"] = 1
    path.write_text(json.dumps(raw))
    result = command(
        project, "finetune_pipeline/scripts/train.py", "--config", "finetune_pipeline/configs/train_config.json"
    )
    assert result.returncode == 0, result.stderr
    assert "best checkpoint  finetune_pipeline/artifacts/" in result.stdout
    (home,) = (project / "finetune_pipeline/artifacts").iterdir()
    verified = command(project, "-m", "tithe", "verify", str(home))
    assert verified.returncode == 0 and "no frozen tensor changed" in verified.stdout, verified.stderr


def test_a_missing_config_names_the_cure(project: Path) -> None:
    result = command(project, "finetune_pipeline/scripts/train.py", "--config", "nowhere.json")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "no config file nowhere.json" in result.stderr and "pass its full path" in result.stderr


def test_without_the_package_the_script_says_how_to_install_it(project: Path) -> None:
    bare = [sys.executable, "-S", "finetune_pipeline/scripts/train.py"]  # -S: no site-packages
    result = subprocess.run(bare, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "is not installed in this Python" in result.stderr
    assert "Traceback" not in result.stderr


def test_raw_parts_are_made_from_a_labelled_file(rows: Path, tmp_path: Path) -> None:
    result = command(
        tmp_path, str(PROJECT / "scripts/make_raw_parts.py"), str(rows), "--out", str(tmp_path / "raw"), "--per-part=50"
    )
    assert result.returncode == 0, result.stderr
    merged = merge_parts.merge(tmp_path / "raw", tmp_path / "out")
    assert merged.records == 120 and list(merged.parts.values()) == [50, 50, 20]


def test_a_tiny_model_is_a_real_one_and_the_same_every_time(tmp_path: Path) -> None:
    texts, _ = make_texts(40, 3)
    for name in ("one", "two"):
        parameters = tiny.modernbert(tmp_path / name, iter(texts), hidden_size=32, layers=2, vocabulary=300)
    model = AutoModel.from_pretrained(tmp_path / "one")
    assert isinstance(model, ModernBertModel) and sum(p.numel() for p in model.parameters()) == parameters
    assert (
        AutoTokenizer.from_pretrained(tmp_path / "one")
        .decode(AutoTokenizer.from_pretrained(tmp_path / "one")("суп и goal")["input_ids"], skip_special_tokens=True)
        .strip()
        == "суп и goal"
    )
    assert (tmp_path / "one/manifest.json").read_bytes() == (tmp_path / "two/manifest.json").read_bytes()
