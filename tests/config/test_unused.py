"""Settings without effect: each is named in one line, and each setting that is read nowhere is found."""

from __future__ import annotations

import ast
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from support.configs import BASE, Load
from support.paths import ROOT
from tithe import config, plugins
from tithe.config import unused
from tithe.config.explain import explain, known_keys
from tithe.config.files import read
from tithe.errors import InputError

# A setting, the settings that make it useless, the line about it.
USELESS = [
    ("model.hidden_dim=64", [], "model.hidden_dim 64 has no effect: only model.head mlp has a hidden layer"),
    ("model.encoder_dropout=0.3", ["model.freeze=all"], "the encoder stays as it is"),
    ("train.encoder_learning_rate=1e-6", ["model.freeze=all"], "the encoder stays as it is"),
    ("tune.encoder_learning_rate=[1e-6, 1e-5]", ["model.freeze=all"], "the encoder stays"),
    ("tune.dropout_of=model", ["model.freeze=all"], "the encoder stays as it is"),
    ("train.num_cycles=2", [], "train.num_cycles 2.0 has no effect: only train.schedule cosine has it"),
    ("train.min_learning_rate=1e-6", [], "only train.schedule cosine has it"),
    ("train.min_learning_rate=1", ["train.schedule=cosine"], "it is above train.learning_rate"),
    ("train.schedule_steps=50", ["train.schedule=constant"], "train.schedule constant has no end"),
    ("train.schedule_epochs=5", ["train.schedule=constant"], "train.schedule constant has no end"),
    ("train.schedule_epochs=5", ["train.schedule_steps=50"], "train.schedule_steps is set"),
    ("train.warmup_epochs=1", ["train.warmup_steps=5"], "train.warmup_steps is set"),
    ("train.careful_scaling=true", ["train.precision=bf16"], "only train.precision fp16 scales the loss"),
    ("data.val_ratio=0.2", ["data.validation=v.csv"], "data.validation is set"),
    ("data.test_ratio=0.2", ["data.test=t.csv"], "data.test is set"),
    ("data.class_weights=true", ["data.upsample=true"], "give all classes the same size, and so the same weight"),
    ("data.class_weights=true", ["data.downsample=true"], "give all classes the same size, and so the same weight"),
    ("train.steps_of=all", [], "train.steps_of all has no effect: without a selection all rows are trained on"),
    ("train.steps_of=all", ["select.strategy=all"], "without a selection all rows are trained on"),
    ("images.margin=0.5", ["images.ranking_weight=0"], "images.ranking_weight is 0"),
    ("images.far=0.2", [], "only images.mode foundation has an encoder"),
    ("train.encoder_learning_rate=0.1", ["task=image", "images.mode=foundation"], "the encoder stays as it is"),
    ("images.lora={}", [], "only images.mode foundation has an encoder"),
    ("images.hidden_dim=64", ["images.mode=foundation"], "only images.head mlp has a hidden layer"),
    ("images.augment=none", ["images.mode=foundation"], "images.mode foundation reads each image once"),
    ("track.tensorboard_dir=events", ["track.tensorboard=false"], "track.tensorboard is off"),
    ("select.budget=0.2", ["select.strategy=all"], "select.strategy all takes every row"),
    ("select.rounds=2", ["select.strategy=all"], "select.strategy all takes every row"),
    ("select.first=k_center", ["select.strategy=el2n"], "select.rounds is 1"),
    ("cluster.num_workers=4", [], "cluster.num_workers 4 has no effect: only engine ray has a cluster"),
    ("tune.prune=true", ["tune.epochs=1"], "tune.epochs is 1"),
]


@pytest.mark.parametrize(("setting", "others", "says"), USELESS, ids=[f"{s} {o}" for s, o, _ in USELESS])
def test_a_setting_without_effect_is_named_once(
    load: Load, caplog: pytest.LogCaptureFixture, setting: str, others: list[str], says: str
) -> None:
    key = setting.partition("=")[0]
    with caplog.at_level(logging.WARNING, "tithe"):
        load(BASE, setting, *others)
    lines = [line for line in caplog.messages if f" {key} " in line]
    assert len(lines) == 1 and lines[0].startswith(f"run.yaml: {key} ") and says in lines[0]


def test_every_rule_has_a_case() -> None:
    cases = [config.parse({"data": {"path": "x"}}, [setting, *others]) for setting, others, _ in USELESS]
    for rule in unused.RUN:
        assert any(list(unused.notes(run, [rule])) for run in cases), rule.keys


EFFECTIVE = [
    ["model.hidden_dim=64", "model.head=mlp"],
    ["model.encoder_dropout=0.3", "train.encoder_learning_rate=1e-6", "model.freeze=2"],
    ["train.num_cycles=2", "train.min_learning_rate=1e-6", "train.schedule=cosine"],
    ["train.schedule_steps=50", "train.warmup_epochs=1"],
    ["train.careful_scaling=true", "train.precision=fp16"],
    ["data.class_weights=true"],
    ["data.class_weights=true", "data.upsample=true", "data.weight_column=w"],
    ["train.steps_of=all", "select.strategy=random"],
    ["select.first=k_center", "select.strategy=el2n", "select.rounds=2"],
    ["select.strategy=all"],
    ["model.freeze=all", "tune.epochs=1"],
]


@pytest.mark.parametrize("settings", EFFECTIVE, ids=map(str, EFFECTIVE))
def test_what_has_an_effect_or_is_a_default_is_not_remarked(
    load: Load, caplog: pytest.LogCaptureFixture, settings: list[str]
) -> None:
    with caplog.at_level(logging.WARNING, "tithe"):
        load(BASE, *settings)
    assert caplog.messages == []


# ---- documented formats

SEARCHING = "enable_hyperparameter_tuning is off"
DOCUMENTED: list[tuple[dict[str, Any], str]] = [
    ({"data": {"parquet_path": "x"}, "scheduler": {"num_cycles": 2}}, "scheduler.num_cycles 2.0 has no effect"),
    ({"strategy_name": "all", "tuning_n_iterations": 5}, f"tuning_n_iterations 5 has no effect: {SEARCHING}"),
    ({"strategy_name": "all", "dropout_range": [0.1, 0.2]}, f"dropout_range [0.1, 0.2] has no effect: {SEARCHING}"),
    ({"strategy_name": "all", "budget": 0.2}, "budget 0.2 has no effect: strategy_name all takes every row"),
    (
        {"strategy_name": "random", "freeze_layers": "all", "backbone_learning_rate": 1e-6},
        "the backbone is not trained",
    ),
    (
        {"paths": {"base_model_dir": "m", "dataset_path": "d.json"}, "training": {"freeze_layers": 2}},
        "training.freeze_layers 2 has no effect: training.freeze_backbone freezes them all",
    ),
    ({"data_root": "x", "lr": 1e-4, "min_lr": 1e-3}, "min_lr 0.001 has no effect: it is above lr"),
]


@pytest.mark.parametrize(("raw", "says"), DOCUMENTED, ids=[says for _, says in DOCUMENTED])
def test_a_documented_key_without_effect_is_named_as_it_is_written(
    load: Load, caplog: pytest.LogCaptureFixture, raw: dict[str, Any], says: str
) -> None:
    with caplog.at_level(logging.WARNING, "tithe"):
        load(json.dumps(raw))
    assert len(caplog.messages) == 1 and says in caplog.messages[0]


def test_every_rule_of_a_format_names_its_own_keys() -> None:
    for name in plugins.names("formats"):
        module = plugins.load("formats", name)
        assert {key for rule in module.UNUSED for key in rule.keys} <= known_keys(module.Config)


PROJECTS = [*ROOT.glob("recipes/*/configs/*.json"), *ROOT.glob("recipes/*/*.yaml")]


@pytest.mark.parametrize("file", PROJECTS, ids=lambda file: file.name)
def test_the_files_of_the_projects_are_not_remarked(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    if "checkpoint_path" in read(file)[0]:
        pytest.skip("a file of an evaluation")
    with caplog.at_level(logging.WARNING, "tithe"):
        config.load(file)
    assert caplog.messages == []


# ---- settings for another task


def test_settings_for_another_kind_of_inputs_are_refused_by_their_name() -> None:
    run = config.parse({"data": {"path": "x"}, "images": {"mode": "full"}, "select": {}})
    with pytest.raises(InputError, match=r"^images.mode is for images: leave it out of a config for texts$"):
        unused.refuse(run, ("data.hold_out", "images"), "images", "texts")
    with pytest.raises(InputError, match=r"^select is for texts: leave it out of a config for images$"):
        unused.refuse(run, ("tune.dropout", "select"), "texts", "images")
    unused.refuse(run, ("model", "data.hold_out", "tune.dropout"), "texts", "images")


# ---- settings that nothing reads


def test_every_setting_is_read_outside_the_config() -> None:
    """A setting whose name appears nowhere else has no effect in any run."""
    source = ROOT / "src/tithe"
    words: set[str] = set()
    for file in source.rglob("*.py"):
        if file.is_relative_to(source / "config"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                words.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
    assert [key for key, *_ in explain(config.Run) if key.rpartition(".")[2] not in words] == []
