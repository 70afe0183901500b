"""Messages about a documented config name its keys and scripts."""

from __future__ import annotations

import contextlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tithe import config, plugins, storage
from tithe.config.explain import known_keys
from tithe.config.own_names import OwnNames, native_keys
from tithe.config.schema import Run
from tithe.errors import InputError

SMALLEST: dict[str, dict[str, Any]] = {
    "classifier_training": {"model_name": "minilm", "data": {"parquet_path": "rows.parquet"}},
    "data_efficiency": {"strategy_name": "all", "enable_hyperparameter_tuning": True, "backbone_lr_range": [0.1, 0.2]},
    "finetune_pipeline": {"paths": {"dataset_path": "rows.json"}, "training": {"freeze_backbone": False}},
    "image_authenticity": {"data_root": "images", "min_lr": 1e-7},
}
# One of them is another value of any setting that has a native one.
VALUES = ("0.3", "0.00001", "3", "16", "off", "on", "all", "bf16", "accuracy", "cosine", "cpu", "eager", "[0.2, 0.4]")
VALUES += ("[0.05]", "[[0.8, 0.9]]", "{x: 1}", "random", "flips", "[a]", "other", "val_accuracy", "null")

NOT_ONE_TO_ONE = {"data.train_ratio", "training.freeze_layers"}  # they share a native setting with others

MESSAGES = [
    ("finetune_pipeline", "lower train.learning_rate,", "lower training.learning_rate,"),
    ("finetune_pipeline", "model.encoder: no folder x", "paths.base_model_dir: no folder x"),
    ("finetune_pipeline", "no x.json: 'tithe prepare' makes one", "no x.json: 'python finetune_pipeline/scripts/"),
    ("finetune_pipeline", "set data.val_ratio", "set data.val_ratio"),
    ("finetune_pipeline", "set data.text_column", "set data.text_column (by --set)"),
    ("finetune_pipeline", "runs/train.epochs/train.epochs.json", "runs/train.epochs/train.epochs.json"),
    ("finetune_pipeline", "train.epochs=3", "training.epochs=3"),
    ("finetune_pipeline", "and --set: train.patience = -1 should", "and --set: train.patience = -1 should"),
    ("finetune_pipeline", "unknown key 'model.encoder' in x", "unknown key 'model.encoder' in x"),
    ("classifier_training", "set train.precision to no", "set training.mixed_precision to no"),
    ("data_efficiency", "set model.freeze to all or none", "set freeze_layers to all or 0"),
    ("data_efficiency", "keep model.freeze and", "keep freeze_layers and"),
    (
        "data_efficiency",
        "no data file x: pass the path of one",
        "no data file x: 'uv run download_dataset' downloads one",
    ),
    ("image_authenticity", "set train.device to cpu", "set device to cpu"),
]


def write(folder: Path, recipe: str) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(SMALLEST[recipe]))
    return file


@pytest.mark.parametrize(("recipe", "message", "says"), MESSAGES)
def test_a_message_has_the_names_of_the_config_s_format(recipe: str, message: str, says: str, tmp_path: Path) -> None:
    assert OwnNames(write(tmp_path, recipe))(message).startswith(says)


@pytest.mark.parametrize("text", ["data: {path: x}", "data: [", "text,label\n"], ids=["native", "broken", "no config"])
def test_a_message_about_any_other_file_stays_as_it_is(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    for file in (tmp_path / "config.yaml", tmp_path / "nothing.yaml", tmp_path):
        assert OwnNames(file)("lower train.epochs") == "lower train.epochs"


@cache
def _native(recipe: str, *overrides: str) -> dict[str, Any]:
    return dict(storage.flatten(config.dump(config.parse(SMALLEST[recipe], overrides))))


def _counterpart(recipe: str, key: str) -> str | None:
    """Return the native setting that changes with this one, and no other does."""
    before = _native(recipe)
    for value in VALUES:
        with contextlib.suppress(InputError):
            after = _native(recipe, f"{key}={value}")
            changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
            if len(changed) == 1:
                return changed[0]
    return None


@pytest.mark.parametrize("recipe", SMALLEST)
def test_every_setting_that_stands_for_one_native_setting_is_in_the_table(recipe: str) -> None:
    module = plugins.load("formats", recipe)
    table = {native: own for native, own in module.NAMES.items() if " " not in native}
    own = known_keys(module.Config)
    assert set(table) <= known_keys(Run) and set(table.values()) <= own
    for key in own - NOT_ONE_TO_ONE:
        native = _counterpart(recipe, key)
        if native and native != key and "." in native and not native.startswith(("track.", "select.options.")):
            assert table.get(native) == key


def test_a_key_of_any_format_is_found_by_its_native_name() -> None:
    assert "model.max_length" in set(native_keys("data.max_length"))
    assert set(native_keys("epochs")) == {"train.epochs"} and not list(native_keys("nothing"))
