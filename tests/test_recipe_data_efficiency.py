"""Every key of `data_efficiency`, shown by what it becomes or does, and the project's commands as they are written."""

from __future__ import annotations

import csv
import json
import logging
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import make_texts, write_rows
from tithe import config, data, pipeline, plugins, records, vocabulary
from tithe.errors import InputError
from tithe.recipes import data_efficiency

PROJECT = Path(__file__).parents[1] / "recipes" / "data_efficiency"
STRATEGIES = plugins.names("strategies")
PICTURES = {f"{name}.png" for name in ("confusion_matrix", "confusion_matrix_normalized", "roc_curve", "pr_curve")}

Read = Callable[..., config.Run]


@pytest.fixture
def documented(rows: Path, tiny_modernbert: Path) -> dict[str, Any]:
    """A file of the documented format, small."""
    return {
        "strategy_name": "k_center",
        "run_name": "my_run",
        "budget": 0.25,
        "dataset_path": str(rows),
        "model_name": str(tiny_modernbert),
        "max_length": 32,
        "epochs": 1,
        "batch_size": 8,
        "learning_rate": 1e-3,
    }


@pytest.fixture
def read(documented: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Write the file with some keys changed, and read it as the command does, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def build(*overrides: str, **changes: Any) -> config.Run:
        path = tmp_path / "train_config.json"
        path.write_text(json.dumps({**documented, **changes}))
        return config.load(path, ["train.device=cpu", *overrides])

    return build


# ---- what a key becomes

# key, its value, the native setting, what it is then
BECOMES: list[tuple[str, Any, str, Any]] = [
    ("strategy_name", "el2n", "select.strategy", "el2n"),
    ("budget", 0.5, "select.budget", 0.5),
    ("rounds", 3, "select.rounds", 3),
    ("strategy_options", {"weight": 0.3}, "select.options", {"weight": 0.3}),
    ("language_model", "lm.gguf", "select.language_model", "lm.gguf"),
    ("run_name", "other", "name", "other"),
    ("run_name", None, "name", "train_config"),
    ("seed", 7, "seed", 7),
    ("dataset_path", "rows.csv", "data.path", "rows.csv"),
    ("text_column", "review", "data.text_column", "review"),
    ("label_column", "stars", "data.label_column", "stars"),
    ("val_ratio", 0.2, "data.val_ratio", 0.2),
    ("test_ratio", 0.3, "data.test_ratio", 0.3),
    ("model_name", "answerdotai/ModernBERT-base", "model.encoder", "answerdotai/ModernBERT-base"),
    ("max_length", 64, "model.max_length", 64),
    ("dropout", 0.4, "model.dropout", 0.4),
    ("freeze_layers", 0, "model.freeze", "none"),
    ("freeze_layers", 2, "model.freeze", 2),
    ("freeze_layers", "all", "model.freeze", "all"),
    ("epochs", 5, "train.epochs", 5),
    ("batch_size", 4, "train.batch_size", 4),
    ("gradient_accumulation_steps", 2, "train.accumulation_steps", 2),
    ("learning_rate", 1e-5, "train.learning_rate", 1e-5),
    ("backbone_learning_rate", 1e-6, "train.encoder_learning_rate", 1e-6),
    ("weight_decay", 0.1, "train.weight_decay", 0.1),
    ("betas", [0.95, 0.99], "train.betas", (0.95, 0.99)),
    ("save_best_by", "loss", "checkpoint.best_by", "loss"),
    ("checkpoints_dir", "kept", "out", "kept/my_run"),
    ("use_clearml", True, "track.clearml.project", "data_efficiency"),
    ("use_clearml", False, "track.clearml", None),
]
SEARCH: list[tuple[str, Any, str, Any]] = [
    ("warmup_epochs", 3, "epochs", 3),
    ("tuning_n_iterations", 4, "trials", 4),
    ("tuning_sample_size", 0.5, "sample", 0.5),
    ("tuning_metric", "val_accuracy", "metric", "val_accuracy"),
    ("dropout_range", [0.2, 0.3], "dropout", (0.2, 0.3)),
    ("lr_range", [1e-4, 1e-3], "learning_rate", (1e-4, 1e-3)),
    ("backbone_lr_range", [1e-6, 1e-5], "encoder_learning_rate", (1e-6, 1e-5)),
    ("weight_decay_options", [0.5], "weight_decay", (0.5,)),
    ("betas_options", [[0.8, 0.9]], "betas", ((0.8, 0.9),)),
]


def setting(run: config.Run, key: str) -> Any:
    value: Any = run
    for part in key.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("key, value, native, expected", BECOMES)
def test_a_key_becomes_a_setting_and_nothing_else_changes(
    key: str, value: Any, native: str, expected: Any, read: Read
) -> None:
    before, run = read(), read(**{key: value})
    assert setting(run, native) == expected
    changed = {k for k in config.dump(run) if config.dump(run)[k] != config.dump(before)[k]}
    assert changed <= {native.partition(".")[0]} | ({"out", "track", "name"} if key == "run_name" else set())


@pytest.mark.parametrize("key, value, native, expected", SEARCH)
def test_a_key_of_the_search_is_heard_when_it_is_enabled(
    key: str, value: Any, native: str, expected: Any, read: Read
) -> None:
    tuned = read(strategy_name="all", enable_hyperparameter_tuning=True, **{key: value}).tune
    assert tuned == config.Tune(**{native: expected})
    assert read(strategy_name="all", **{key: value}).tune is None


def test_the_documented_section_is_enough_and_has_the_documented_defaults(tmp_path: Path) -> None:
    shown = {
        **{"strategy_name": "all", "enable_hyperparameter_tuning": True, "warmup_epochs": 2},
        **{"tuning_n_iterations": 25, "tuning_sample_size": 0.15, "tuning_metric": "val_loss"},
    }
    assert config.recognise(shown) == config.recognise({"strategy_name": "random"}) == "data_efficiency"
    written = config.parse(shown)
    assert written == config.parse({"strategy_name": "all", "enable_hyperparameter_tuning": True})
    assert written.tune is not None
    assert (written.tune.dropout, written.tune.learning_rate) == ((0.1, 0.5), (1e-5, 1e-4))
    assert written.tune.weight_decay == (0.0, 0.01, 0.1)
    assert written.tune.betas == ((0.9, 0.999), (0.95, 0.999), (0.9, 0.99))
    assert config.parse({"strategy_name": "random"}).select == config.Select(strategy="random", budget=0.1)


def test_every_key_is_tested() -> None:
    tested = {key for key, *_ in BECOMES + SEARCH}
    assert vocabulary.known_keys(data_efficiency.Config) - tested == {"enable_hyperparameter_tuning", "log_dir"}


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"strategy_name": "k_centre"}, "unknown strategies name 'k_centre': did you mean 'k_center'"),
        ({"strategy_name": "zzz"}, f"choose one of {', '.join(STRATEGIES)}"),
        ({"strategy_nam": "all"}, "unknown key 'strategy_nam' in train_config.json: did you mean 'strategy_name'"),
        ({"enable_hyperparameter_tuning": True}, "works with strategy_name 'all', not 'k_center'"),
        ({"tuning_metric": "f1"}, "tuning_metric = 'f1' should be 'val_loss' or 'val_accuracy'"),
        ({"lr_range": [1e-4, 1e-5]}, "must be two numbers, the smaller first"),
        ({"dropout_range": [0.1]}, "dropout_range"),
        ({"budget": 1.5}, "budget = 1.5 should be less than or equal to 1"),
        ({"budget": 0.001}, "fewer than the 2 that 2 classes need"),
        ({"run_name": "../elsewhere"}, "run_name = '../elsewhere' should match pattern"),
        ({"strategy_options": {"weight": 1}}, "unknown key 'weight' in select.options of k_center"),
        ({"dataset_path": "data/nowhere.parquet"}, "no data file data/nowhere.parquet"),
        ({"max_length": 65}, "max_length 65 is more than the 64 positions"),
        ({"val_ratio": 0.6, "test_ratio": 0.5}, "must leave rows to train on"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    changes: dict[str, Any], says: str, read: Read, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        pipeline.train(read(**changes))
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "checkpoints").exists() and not (tmp_path / "runs").exists()


# ---- what a run does


def test_a_run_trains_on_the_chosen_part_and_lies_where_the_document_says(read: Read, tmp_path: Path) -> None:
    run = read()
    outcome = pipeline.train(run)
    assert outcome.best.resolve() == tmp_path / "checkpoints/my_run/best" and (outcome.best / "model.pt").is_file()
    picked = pq.read_table(outcome.home / "selection.parquet").column("id").to_numpy()
    split = data.load(run.data, run.seed)
    assert len(picked) == 24 and set(picked) <= set(split.everything.ids[split.split.train])
    assert records.read_json(outcome.home / "data_report.json")["splits"]["train_selected"] == 24
    assert list((tmp_path / "runs/my_run").glob("events.out.tfevents.*"))
    assert not (outcome.home / "tensorboard").exists()
    assert records.broken_files(outcome.home) == []
    # What --out moves still writes its TensorBoard files where they are looked for.
    assert (
        read("out=deep/elsewhere", run_name="moved", log_dir="logs").track.tensorboard_dir == f"{tmp_path}/logs/moved"
    )


def test_rounds_and_native_settings_reach_the_selection(read: Read) -> None:
    run = read("select.balance=none", "rounds=2", "train.patience=1", strategy_name="entropy_diversity")
    assert run.select is not None and (run.select.balance, run.select.rounds, run.train.patience) == ("none", 2, 1)
    home = pipeline.train(run).home
    assert np.bincount([row["round"] for row in pq.read_table(home / "selection.parquet").to_pylist()]).tolist() == [
        *[12, 12]
    ]


# ---- the project, as a researcher meets it


@pytest.fixture
def project(tmp_path: Path, documented: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project; its default data set is in the cache, small."""
    root = tmp_path / "data_efficiency"
    ours = shutil.ignore_patterns(".venv", "*.egg-info", "__pycache__", "*.parquet")
    shutil.copytree(PROJECT, root, ignore=ours)
    for folder in ("checkpoints", "artifacts", "runs", "data"):
        shutil.rmtree(root / folder)
    monkeypatch.setenv("PYTHONPATH", str(root / "src"))
    cached = Path(os.environ["TITHE_CACHE"]) / "datasets/reviews.parquet"
    cached.parent.mkdir(parents=True)
    write_rows(cached, *make_texts(60))
    return root


Module = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def module(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Module:
    """Do what `python -m` does with a module of the project, in this process; return the code and what was said."""
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(str(project / "src"))

    def call(name: str, *arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr("sys.argv", [name, *arguments])
        logging.getLogger("tithe").handlers[:] = []  # the command's own keeps the stderr of the moment it was made
        for known in [known for known in sys.modules if known.startswith("data_efficiency")]:
            monkeypatch.delitem(sys.modules, known)  # an earlier test's copy of the project
        capsys.readouterr()
        code: Any = 0
        try:
            runpy.run_module(f"data_efficiency.{name}", run_name="__main__")
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return call


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
    assert code == 0 and "numbers and pictures in artifacts/my_run" in said, err
    code, said, err = module("evaluate", "--config", "configs/eval_config_example.json")
    assert code == 0, err
    for name in ("my_run", "eval_my_run"):
        for part in ("validation", "test"):
            there = {path.name for path in (project / "artifacts" / name / part).iterdir()}
            assert PICTURES | {"metrics.json", "per_class.csv"} <= there
    with (project / "artifacts/my_run/metrics.csv").open(newline="") as table:
        lines = {line["part"]: line for line in csv.DictReader(table)}
    for part, line in lines.items():
        metrics = records.read_json(project / f"artifacts/my_run/{part}/metrics.json")
        for key in ("accuracy", "f1", "f1_weighted", "auc_roc", "auc_pr"):
            assert float(line[key]) == metrics[key]
    code, said, err = module("results", "my_run", "eval_my_run")
    accuracy = f"{float(lines['test']['accuracy']):.3f}"
    assert code == 0 and f"| my_run      | {accuracy}         | " in said, err
    assert (project / "artifacts/results.md").read_text() == said
    with Image.open(project / "checkpoints/my_run/selection.png") as picture:
        assert picture.width > 400


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
    assert tuned.tune == config.Tune() and tuned.select is not None and tuned.select.strategy == "all"
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
    assert again.stderr.count("is trained already") == len(STRATEGIES) - 1
    assert (project / "artifacts/results.md").read_text() == table
