"""`tithe config`: checked, shown, explained, and described to an editor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support import docs
from support.command_line import Run, Settings, write_config
from support.paths import ROOT
from tithe.config.files import read

EXAMPLE = ROOT / "recipes/classifier_training/classifier_training.example.yaml"


def test_a_right_config_is_called_correct_without_training(settings: Settings, run: Run, tmp_path: Path) -> None:
    path = write_config(tmp_path / "config.json", settings())
    assert run("config", "check", path) == (0, f"{path}: correct\n", "")
    assert not (tmp_path / "run").exists()


def test_the_resolved_config_is_shown_with_its_secrets_masked(settings: Settings, run: Run, tmp_path: Path) -> None:
    path = write_config(tmp_path / "c.json", settings(track={"neptune": {"api_token": "do-not-show", "tags": ["a"]}}))
    result = run("config", "show", path, "--set", "train.epochs=7", "--set", "track.neptune.project=me/it")
    shown = json.loads(result.out)
    assert result.code == 0 and "do-not-show" not in result.out + result.err
    assert shown["train"]["epochs"] == 7 and shown["train"]["weight_decay"] == 0.01
    assert shown["track"]["neptune"]["project"] == "me/it" and shown["track"]["neptune"]["api_token"]


def test_the_documented_example_is_valid_by_its_schema(run: Run) -> None:
    import jsonschema

    schema = json.loads(run("config", "schema", "--recipe", "classifier_training").out)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    example, _ = read(EXAMPLE)
    assert list(validator(schema).iter_errors(example)) == []
    wrong = {**example, "training": {**example["training"], "num_epoch": 3, "batch_size": "32"}}
    assert len(list(validator(schema).iter_errors(wrong))) == 2


def test_the_native_schema_takes_a_native_config(settings: Settings, run: Run) -> None:
    import jsonschema

    schema = json.loads(run("config", "schema").out)
    jsonschema.validate(settings(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(settings(train={"lerning_rate": 1}), schema)


@pytest.mark.parametrize("recipe", [None, "classifier_training"])
def test_explain_prints_a_row_for_every_setting(recipe: str | None, run: Run) -> None:
    result = run("config", "explain", *(["--recipe", recipe] if recipe else []))
    head, line, *rows = result.out.splitlines()
    assert result.code == 0 and head == "| setting | type | default | meaning |"
    assert {row.count("|") for row in rows} == {5} and line == "|---|---|---|---|"
    keys = [row.split("`")[1] for row in rows]
    expected = {"checkpointing.save_every_n_bathces", "training.resume_from"} if recipe else {"train.epochs", "seed"}
    assert expected <= set(keys) and len(keys) == len(set(keys))


def test_the_references_made_from_the_code_are_up_to_date() -> None:
    for name, page in docs.script("make_reference").PAGES.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == page(), "run: make docs"
