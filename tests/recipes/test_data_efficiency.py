"""The commands of the project `data_efficiency`, as they are written."""

from __future__ import annotations

import csv
import json
import os
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support import data_efficiency as documented_files
from support.paths import ROOT
from support.pools import NAMES
from support.readme import assert_rebuilds
from support.texts import make_texts
from tithe import config, storage
from tithe.fetch import downloads

PROJECT = ROOT / "recipes" / "data_efficiency"
STRATEGIES = tuple(sorted(NAMES))
PICTURES = {f"{name}.png" for name in ("confusion_matrix", "confusion_matrix_normalized", "roc_curve", "pr_curve")}

documented = documented_files.documented


@pytest.fixture
def project(tmp_path: Path, documented: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project; its default data set is in the cache, small."""
    root = tmp_path / "data_efficiency"
    ours = shutil.ignore_patterns(".venv", "*.egg-info", "__pycache__", "*.parquet")
    shutil.copytree(PROJECT, root, ignore=ours)
    for folder in ("checkpoints", "artifacts", "runs", "data"):
        shutil.rmtree(root / folder)
    monkeypatch.setenv("PYTHONPATH", str(root / "src"))
    downloads.put(downloads.place("reviews"), [list(zip(*make_texts(60), strict=True))], {"source": "a test"})
    return root


Module = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def module(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Module:
    """Do what `python -m` does with a module of the project, in this process; return the code and what was said."""
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(str(project / "src"))

    def call(name: str, *arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr("sys.argv", [name, *arguments])
        capsys.readouterr()
        code: Any = 0
        try:
            runpy.run_module(f"data_efficiency.{name}", run_name="__main__")
        except SystemExit as end:
            code = end.code
        finally:
            for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "data_efficiency"]:
                del sys.modules[loaded]  # the next call, or the next test's copy of the project, loads its own
        return code, *capsys.readouterr()

    return call


@pytest.mark.usefixtures("drawn")
def test_the_documented_commands_run_as_written(project: Path, module: Module, documented: dict[str, Any]) -> None:
    code, said, err = module("download_dataset")
    assert (code, said) == (0, "data/reviews.parquet\n"), err
    file = project / "configs/train_config_example.json"
    small = {key: documented[key] for key in ("model_name", "max_length", "budget", "epochs")}
    file.write_text(json.dumps({**json.loads(file.read_text()), **small}))
    code, said, err = module("run", "--config", "configs/train_config_example.json")
    assert code == 0 and "best checkpoint  checkpoints/my_run/best" in said, err
    assert (project / "checkpoints/my_run/best/model.pt").is_file() and list((project / "runs/my_run").iterdir())
    code, said, err = module("evaluate", "-c", "checkpoints/my_run/best/model.pt")
    assert code == 0 and "metrics and figures in artifacts/my_run" in said, err
    code, said, err = module("evaluate", "--config", "configs/eval_config_example.json")
    assert code == 0, err
    for name in ("my_run", "eval_my_run"):
        for part in ("validation", "test"):
            there = {path.name for path in (project / "artifacts" / name / part).iterdir()}
            assert PICTURES | {"metrics.json", "per_class.csv"} <= there
    with (project / "artifacts/my_run/metrics.csv").open(newline="") as table:
        lines = {line["part"]: line for line in csv.DictReader(table)}
    for part, line in lines.items():
        metrics = storage.read_json(project / f"artifacts/my_run/{part}/metrics.json")
        for key in ("accuracy", "f1", "f1_weighted", "auc_roc", "auc_pr"):
            assert float(line[key]) == metrics[key]
    code, said, err = module("results", "my_run", "eval_my_run")
    accuracy = f"{float(lines['test']['accuracy']):.3f}"
    assert code == 0 and f"| my_run      | {accuracy}         | " in said, err
    assert (project / "artifacts/results.md").read_text() == said
    with Image.open(project / "checkpoints/my_run/selection.png") as picture:
        assert picture.width > 400
    home = project / "checkpoints/my_run"
    assert_rebuilds(project / "README.md", "checkpoints/my_run", home, home / "best/model.pt")


def test_an_unknown_data_set_is_one_line(module: Module) -> None:
    refused = "error: unknown data set 'review': did you mean 'reviews'?\n"
    assert module("download_dataset", "review") == (2, "", refused)


def test_each_strategy_has_a_config_that_differs_in_nothing_else(monkeypatch: pytest.MonkeyPatch, rows: Path) -> None:
    def of(name: str) -> dict[str, Any]:
        file = PROJECT / f"configs/train_config_{name}.json"
        resolved = config.dump(config.load(file))
        assert resolved["select"].pop("strategy") == name and resolved.pop("name") == name
        assert resolved.pop("out") == f"checkpoints/{name}"
        assert resolved["track"].pop("tensorboard_dir").endswith(f"runs/{name}")
        return resolved

    found = [of(name) for name in STRATEGIES]
    assert all(other == found[0] for other in found)
    script = (PROJECT / "train_all_diversity_strategies.sh").read_text()
    listed = script[script.index("strategies=(") + 12 : script.index(")\nfor")].split()
    assert listed[0] == "all" and tuple(sorted(listed)) == STRATEGIES


def test_the_other_configs_are_what_their_names_say() -> None:
    example = config.load(PROJECT / "configs/train_config_example.json")
    assert (example.name, example.out) == ("my_run", "checkpoints/my_run")
    tuned = config.load(PROJECT / "configs/train_config_with_tuning.json")
    assert tuned.tune == config.Tune(dropout_of="model") and tuned.select is not None and tuned.select.strategy == "all"
    script = (PROJECT / "train_full_with_tuning.sh").read_text()
    assert "--config configs/train_config_with_tuning.json" in script


def test_scripts_are_executable_and_correct_shell() -> None:
    scripts = sorted(PROJECT.glob("*.sh"))
    assert [script.name for script in scripts] == ["train_all_diversity_strategies.sh", "train_full_with_tuning.sh"]
    for script in scripts:
        assert os.access(script, os.X_OK)
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


@pytest.mark.slow
def test_every_strategy_is_trained_and_what_is_done_is_not_done_again(
    project: Path, module: Module, documented: dict[str, Any]
) -> None:
    for file in (project / "configs").glob("train_config_*.json"):
        small = {key: documented[key] for key in ("model_name", "max_length", "budget", "epochs")}
        file.write_text(json.dumps({**json.loads(file.read_text()), **small}))
    module("download_dataset")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def script() -> subprocess.CompletedProcess[str]:
        asked = ["bash", project / "train_all_diversity_strategies.sh"]
        return subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)

    first = script()
    assert first.returncode == 0, first.stderr
    table = (project / "artifacts/results.md").read_text()
    assert all(f"| {name} " in table for name in STRATEGIES) and table in first.stdout
    assert (project / "artifacts/comparison.html").is_file()
    shutil.rmtree(project / "checkpoints/random")
    again = script()
    assert again.returncode == 0 and "training with random" in again.stderr
    assert again.stderr.count("is already trained") == len(STRATEGIES) - 1
    assert (project / "artifacts/results.md").read_text() == table


def test_the_documented_installation_has_what_the_documented_configs_need() -> None:
    files = sorted((PROJECT / "configs").glob("train_config_*.json"))
    runs = [config.load(file) for file in files]
    needed = {"minilm"} | ({"tune"} if any(run.tune for run in runs) else set())
    (dependency,) = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert needed == {"minilm", "tune"}
    extras = dependency.removeprefix("tithe[").removesuffix("]")
    assert needed == set(extras.split(","))
    for name in ("README.md", "README.ru.md"):
        assert f"'../..[{extras}]'" in (PROJECT / name).read_text(encoding="utf-8")
