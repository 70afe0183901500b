"""A config as a whole: understood, frozen, recognised by its keys, and silent about secrets."""

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from support.configs import BASE, DOCUMENTED, SECRET, Load, refusal
from tithe import config
from tithe.errors import InputError

# ---- what is understood


@pytest.mark.parametrize("written", ["1e-5", "1E-5", "1.0e-5", "0.00001", ".00001"])
def test_a_small_number_is_a_number_in_the_file_and_in_set(load: Load, written: str) -> None:
    assert load(BASE + f"train: {{learning_rate: {written}}}").train.learning_rate == 1e-5
    assert load(BASE, f"train.learning_rate={written}").train.learning_rate == 1e-5


@pytest.mark.parametrize(
    "setting", ["model.lora.rank=5000", "images.lora.rank=5000", "model.hidden_dim=70000", "images.hidden_dim=70000"]
)
def test_a_width_that_no_machine_has_memory_for_is_refused_before_any_is_asked_for(load: Load, setting: str) -> None:
    name, wrong = setting.split("=")
    assert f"{name} = {wrong}" in refusal(load, BASE, setting)


def test_a_whole_number_does_for_a_fraction(load: Load) -> None:
    assert load(BASE + "train: {clip_norm: 2}").train.clip_norm == 2.0


def test_no_is_a_word_and_null_is_nothing(load: Load) -> None:
    run = load(BASE + "train: {precision: no, schedule_steps: null}\nout: null\n")
    assert (run.train.precision, run.train.schedule_steps, run.out) == ("no", None, None)


def test_cyrillic_is_kept(load: Load) -> None:
    assert load("data: {path: данные.parquet, text_column: текст}").data.text_column == "текст"


def test_a_run_is_frozen(load: Load) -> None:
    run = load(BASE)
    for section, name in ((run, "seed"), (run.data, "path"), (run.train, "epochs")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, name, getattr(section, name))


# ---- secrets

NEPTUNE = {"native": BASE + "track:\n  neptune: HERE\n", "documented": DOCUMENTED + "neptune: HERE\n"}


@pytest.mark.parametrize("kind", NEPTUNE)
def test_a_secret_is_masked_wherever_a_config_is_shown(load: Load, kind: str) -> None:
    run = load(NEPTUNE[kind].replace("HERE", f"{{api_token: {SECRET}}}"))
    assert run.track.neptune is not None
    assert run.track.neptune.api_token is not None
    assert run.track.neptune.api_token.get_secret_value() == SECRET
    shown = json.dumps(config.dump(run)) + repr(run) + str(run) + run.model_dump_json()
    assert SECRET not in shown


@pytest.mark.parametrize("kind", NEPTUNE)
@pytest.mark.parametrize(
    "section",
    [
        f"{{api_token: [{SECRET}]}}",
        f"{{api_token: {{value: {SECRET}}}}}",
        f"{{apitoken: {SECRET}}}",
        f"{{password: {SECRET}}}",
        f"{{api_token: {SECRET}, project: 5}}",
        f"{{api_token: {SECRET}, api_token: {SECRET}}}",
        f"{{api_token: !!int {SECRET}}}",
        f"{{api_token: !!bool {SECRET}}}",
        f"[{SECRET}]",
        SECRET,
    ],
)
def test_a_secret_is_in_no_error_message(load: Load, kind: str, section: str) -> None:
    assert SECRET not in refusal(load, NEPTUNE[kind].replace("HERE", section))


@pytest.mark.parametrize(
    "setting", ["track.neptune.api_token=", "track.neptune=", "track.neptune.token=", "api_token="]
)
@pytest.mark.parametrize("value", [f"[{SECRET}]", f"[{SECRET}", f"{{value: {SECRET}}}"])
def test_a_secret_passed_with_set_is_in_no_error_message(load: Load, setting: str, value: str) -> None:
    assert SECRET not in refusal(load, BASE, f"{setting}{value}")


def test_a_variable_s_value_is_in_no_error_message(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITHE_TEST_TOKEN", SECRET)
    for wrong in (
        "train: {epochs: '${TITHE_TEST_TOKEN}'}",
        "train: {betas: ['${TITHE_TEST_TOKEN}', 0.9]}",
        "train: {epochs: ['${TITHE_TEST_TOKEN}']}",
        "model: {encoder: {name: '${TITHE_TEST_TOKEN}'}}",
        "track: {neptune: {tags: [[a, '${TITHE_TEST_TOKEN}']]}}",
    ):
        said = refusal(load, BASE + wrong)
        assert SECRET not in said and "${TITHE_TEST_TOKEN}" in said


# ---- recognising a file's vocabulary

VOCABULARIES = [
    ({"data": {"path": "a"}}, None),
    ({"data": {"path": "a"}, "train": {"epochs": 1}, "model": {"encoder": "x"}}, None),
    ({}, None),
    ({"nonsense": 1}, None),
    ({"data": {"parquet_path": "a"}}, "classifier_training"),
    ({"model_name": "x", "data": {"parquet_path": "a"}, "training": {"num_epochs": 1}}, "classifier_training"),
    ({"training": {"num_epochs": 1}, "optimizer": {"learning_rate": 1}}, "classifier_training"),
]


@pytest.mark.parametrize(("raw", "recipe"), VOCABULARIES, ids=[json.dumps(raw) for raw, _ in VOCABULARIES])
def test_a_file_is_recognised_by_its_keys(raw: dict[str, Any], recipe: str | None) -> None:
    assert config.recognise(raw) == recipe


def test_the_whole_native_vocabulary_is_native(load: Load) -> None:
    run = load(BASE + "track: {neptune: {project: a/b}}")
    assert config.recognise(run.model_dump()) is None


def test_a_stray_section_does_not_turn_a_native_config_into_a_recipe() -> None:
    raw = {"data": {"path": "rows.parquet"}, "neptune": {"project": "a/b", "tags": ["x"], "run_id": "r"}}
    assert config.recognise(raw) is None
    with pytest.raises(InputError, match="unknown key 'neptune'"):
        config.parse(raw)


def test_a_cut_pass_has_no_epoch_file() -> None:
    values = ["train.steps_of=all", "checkpoint.epoch_files=1"]
    config.parse({"data": {"path": "rows.parquet"}}, values)  # without a selection no pass is cut
    with pytest.raises(InputError, match="epoch_files are of whole ones: set only one of them"):
        config.parse({"data": {"path": "rows.parquet"}, "select": {}}, values)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("{single_files: true, epoch_files: 1}", "both write best_model.pt: set only one of them"),
        ("{dir: validation}", "checkpoint.dir 'validation' is a name that a run uses for other files"),
        ("{dir: assets/deep}", "checkpoint.dir 'assets/deep' is a name that a run uses for other files"),
        ("{dir: tensorboard}", "checkpoint.dir and track.tensorboard_dir are both 'tensorboard'"),
    ],
)
def test_two_writers_of_one_file_are_refused(settings: str, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        config.parse({"data": {"path": "rows.parquet"}}, [f"checkpoint={settings}"])
