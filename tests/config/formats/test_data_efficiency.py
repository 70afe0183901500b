"""Every key of `data_efficiency`, shown by what it becomes or does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from support import data_efficiency as documented_files
from tithe import config, data, pipeline, plugins, storage
from tithe.config.explain import known_keys
from tithe.config.formats import data_efficiency
from tithe.errors import InputError

STRATEGIES = plugins.names("strategies")

Read = Callable[..., config.Run]

documented = documented_files.documented


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
    assert tuned == config.Tune(dropout_of="model", **{native: expected})
    assert read(strategy_name="all", **{key: value}).tune is None


def test_dropout_is_that_of_the_model_if_it_is_set_and_the_backbone_is_trained(
    read: Read, documented: dict[str, Any]
) -> None:
    def dropouts(**changes: Any) -> tuple[float, float | None]:
        model = read(**changes).model
        return model.dropout, model.encoder_dropout

    assert dropouts(dropout=0.4) == dropouts(dropout=0.4, freeze_layers=1) == (0.4, 0.4)
    assert dropouts(dropout=0.4, freeze_layers="all") == (0.4, None)
    unset = {key: value for key, value in documented.items() if key != "dropout"}
    assert config.parse(unset).model.encoder_dropout is None
    encoder = pipeline.check(read(dropout=0.4)).build(2, 0).encoder
    assert {m.p for m in encoder.modules() if type(m).__name__ == "Dropout"} == {0.4}


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
    assert known_keys(data_efficiency.Config) - tested == {"enable_hyperparameter_tuning", "log_dir"}


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"strategy_name": "k_centre"}, "unknown strategy 'k_centre': did you mean 'k_center'"),
        ({"strategy_name": "zzz"}, f"choose one of {', '.join(STRATEGIES)}"),
        ({"strategy_nam": "all"}, "unknown key 'strategy_nam' in train_config.json: did you mean 'strategy_name'"),
        ({"enable_hyperparameter_tuning": True}, "works with strategy_name 'all', not 'k_center'"),
        ({"tuning_metric": "f1"}, "tuning_metric = 'f1' should be 'val_loss' or 'val_accuracy'"),
        ({"lr_range": [1e-4, 1e-5]}, "must be two numbers, the smaller first"),
        ({"dropout_range": [0.1]}, "dropout_range"),
        ({"budget": 1.5}, "budget = 1.5 should be less than or equal to 1"),
        ({"budget": 0.001}, "fewer than the 2 that 2 classes need"),
        ({"run_name": "../elsewhere"}, "run_name = '../elsewhere' should have letters, digits"),
        ({"strategy_options": {"weight": 1}}, "unknown key 'weight' in select.options of k_center"),
        ({"dataset_path": "data/nowhere.parquet"}, "no data file data/nowhere.parquet"),
        ({"max_length": 65}, "max_length 65 is more than the 64 positions"),
        ({"val_ratio": 0.6, "test_ratio": 0.5}, "must be below 1, so that rows are left to train on"),
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
    assert len(picked) == 24 and set(picked) <= set(split.rows.ids[split.split.train])
    assert storage.read_json(outcome.home / "data_report.json")["splits"]["train_selected"] == 24
    assert list((tmp_path / "runs/my_run").glob("events.out.tfevents.*"))
    assert not (outcome.home / "tensorboard").exists()
    assert storage.broken_files(outcome.home) == []
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
