"""What is said of settings: why one is refused, and what each of them is for."""

import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import pytest
from pydantic import BaseModel

from support.configs import BASE, DOCUMENTED, Load, refusal
from tithe import config, plugins
from tithe.config import aliases
from tithe.config.explain import explain, known_keys
from tithe.errors import InputError

# ---- what is refused, as data: (the file, what the line must say)

REFUSED = [
    ("train: {lerning_rate: 1}", "unknown key 'train.lerning_rate' in run.yaml: did you mean 'learning_rate'?"),
    ("lerning_rate: 1", "unknown key 'lerning_rate' in run.yaml: did you mean 'train.learning_rate'?"),
    ("model: {epochs: 1}", "unknown key 'model.epochs' in run.yaml: did you mean 'train.epochs'?"),
    ("train: {api_tokn: x}", "did you mean 'track.neptune.api_token'?"),
    ("zzzz: 1", "unknown key 'zzzz' in run.yaml: choose one of checkpoint, cluster, data, engine, images, model"),
    ("1: 2", "unknown key '1'"),
    ("null: 2", "unknown key 'None'"),
    ('"two\\nlines": 1', "unknown key"),
    ("train: 5", "'train' should be a section with keys accumulation_steps, batch_size"),
    ("train: null", "'train' should be a section"),
    ("train: [1]", "'train' should be a section"),
    ("track: {neptune: x}", "'track.neptune' should be a section with keys api_token"),
    ('train: {learning_rate: "1e-5"}', "train.learning_rate = '1e-5' should be a number"),
    ('train: {epochs: "3"}', "train.epochs = '3' should be an integer"),
    ("train: {epochs: 3.0}", "train.epochs = 3.0 should be an integer"),
    ("train: {epochs: true}", "train.epochs = True should be an integer"),
    ("train: {epochs: null}", "train.epochs = None should be an integer"),
    ("train: {epochs: 0}", "train.epochs = 0 should be greater than 0"),
    ("train: {epochs: -1}", "train.epochs = -1 should be greater than 0"),
    ("train: {batch_size: 0}", "train.batch_size = 0 should be greater than 0"),
    ("train: {learning_rate: 0}", "train.learning_rate = 0 should be greater than 0"),
    ("train: {learning_rate: .nan}", "train.learning_rate = nan should be"),
    ("train: {learning_rate: .inf}", "train.learning_rate = inf should be"),
    ("train: {weight_decay: .inf}", "train.weight_decay = inf should be"),
    ("train: {weight_decay: -0.1}", "train.weight_decay = -0.1 should be greater than or equal to 0"),
    ("train: {label_smoothing: 1}", "train.label_smoothing = 1 should be less than 1"),
    ("train: {clip_norm: -1}", "train.clip_norm = -1 should be"),
    ("train: {group_by_length: 1}", "train.group_by_length = 1 should be a boolean"),
    ("train: {group_by_length: yes}", "train.group_by_length = 'yes' should be a boolean"),
    ("train: {schedule: square}", "train.schedule = 'square' should be 'linear', 'cosine' or 'constant'"),
    ("train: {precision: false}", "train.precision = False should be 'auto', 'no', 'bf16' or 'fp16'"),
    ('train: {schedule: "two\\nlines"}', "train.schedule ="),
    ("seed: -1", "seed = -1 should be greater than or equal to 0"),
    ("seed: 2024-01-01", "seed = '2024-01-01' should be an integer"),
    ("seed: 99999999999999999999999999", "seed ="),
    ("name: a b", "name = 'a b'"),
    ("name: a/b", "name = 'a/b'"),
    ('name: ""', "name = ''"),
    ("out: 5", "out = 5 should be a string"),
    ("model: {attention: flash}", "model.attention = 'flash' should be 'auto', 'sdpa'"),
    ("model: {dropout: 1.0}", "model.dropout = 1.0 should be less than 1"),
    ("checkpoint: {every_batches: 0}", "checkpoint.every_batches = 0 should be greater than 0"),
    ("track: {neptune: {tags: one}}", "track.neptune.tags = 'one' should be a list"),
    ("track: {neptune: {tags: [1]}}", "track.neptune.tags"),
    ("model: {freeze: top}", "model.freeze = 'top' should be 'none', 'all' or an integer"),
    ("model: {freeze: -1}", "model.freeze = -1 should be 'none', 'all' or greater than 0"),
    ("train: {betas: [0.9]}", "train.betas"),
    ("train: {betas: [0.9, 0.99, 0.999]}", "train.betas = [0.9, 0.99, 0.999] should have at most 2 items"),
    ("tune: {dropout: [0.5, 0.1]}", "tune.dropout = [0.5, 0.1] must be two numbers, the smaller first"),
    ("select: {options: [1]}", "select.options = [1] should be a section of keys and values"),
    (f"train: {{epochs: {10**30}}}", "should be less than or equal to 2147483647"),
    (f"train: {{learning_rate: 1{'0' * 400}}}", "train.learning_rate = 1000"),
]

REFUSED_DATA = [
    ("{}", "'data.path' is missing: set it"),
    ("null", "'data' should be a section with keys class_weights"),
    ("rows.parquet", "'data' should be a section with keys class_weights"),
    ("{path: 1}", "data.path = 1 should be a string"),
    ("{path: a, val_ratio: 0}", "data.val_ratio = 0 should be greater than 0"),
    ("{path: a, val_ratio: 1}", "data.val_ratio = 1 should be less than 1"),
    ("{path: a, test_ratio: -0.1}", "data.test_ratio = -0.1 should be"),
    (
        "{path: a, val_ratio: 0.5, test_ratio: 0.5}",
        "val_ratio + test_ratio must be below 1, so that rows are left to train on",
    ),
    ("{path: a, num_workers: 1.5}", "data.num_workers = 1.5 should be an integer"),
    ("{path: a, num_workers: 100000}", "data.num_workers = 100000 should be less than or equal to 256"),
    ("{path: a, upsample: 1}", "data.upsample = 1 should be a boolean"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED, ids=[text for text, _ in REFUSED])
def test_a_wrong_setting_is_refused_in_one_line(load: Load, text: str, says: str) -> None:
    assert says in refusal(load, BASE + text)


@pytest.mark.parametrize(("text", "says"), REFUSED_DATA, ids=[text for text, _ in REFUSED_DATA])
def test_a_wrong_data_section_is_refused_in_one_line(load: Load, text: str, says: str) -> None:
    assert says in refusal(load, f"data: {text}")


def test_a_missing_section_is_named(load: Load) -> None:
    assert refusal(load, "train: {epochs: 1}") == "run.yaml: 'data' is missing: set it"


def test_all_mistakes_are_found_at_once_a_line_each(load: Load) -> None:
    with pytest.raises(InputError) as caught:
        load(BASE + "train: {epochs: 0, schedule: step, lr: 1}\nsed: 1\n")
    assert str(caught.value).splitlines() == [
        "run.yaml: train.epochs = 0 should be greater than 0",
        "run.yaml: train.schedule = 'step' should be 'linear', 'cosine' or 'constant'",
        "unknown key 'train.lr' in run.yaml: did you mean 'learning_rate'?",
        "unknown key 'sed' in run.yaml: did you mean 'seed'?",
    ]


def test_a_hundred_mistakes_are_twenty_lines_and_a_number(load: Load) -> None:
    with pytest.raises(InputError) as caught:
        load(BASE + "".join(f"key{i}: 1\n" for i in range(100)))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21 and lines[-1] == "run.yaml: 80 more mistakes"


# ---- what other tools call a setting: (the key, what the line must say)

ALIASES = [
    ("train: {lr: 1}", "'train.lr' in run.yaml: did you mean 'learning_rate'?"),
    ("lr: 1", "'lr' in run.yaml: did you mean 'train.learning_rate'?"),
    ("train: {batch: 1}", "did you mean 'batch_size'?"),
    ("bs: 1", "did you mean 'train.batch_size'?"),
    ("train: {per-device-train-batch-size: 8}", "did you mean 'batch_size'?"),
    ("train: {max_len: 8}", "did you mean 'model.max_length'?"),
    ("model: {max_seq_length: 8}", "did you mean 'max_length'?"),
    ("train: {wd: 0.1}", "did you mean 'weight_decay'?"),
    ("train: {num_epochs: 1}", "did you mean 'epochs'?"),
    ("model: {model_name_or_path: x}", "did you mean 'encoder'?"),
    ("tune: {n_trials: 3}", "did you mean 'trials'?"),
    ("train: {fp16: true}", "did you mean 'precision'?"),
    ("random_state: 1", "did you mean 'seed'?"),
    ("output_dir: x", "did you mean 'out'?"),
]


@pytest.mark.parametrize(("text", "says"), ALIASES, ids=[text for text, _ in ALIASES])
def test_a_key_of_another_tool_gets_ours(load: Load, text: str, says: str) -> None:
    assert says in refusal(load, BASE + text)


def test_an_alias_in_a_documented_file_is_a_key_of_that_file(load: Load) -> None:
    assert "did you mean 'max_seq_length'?" in refusal(load, DOCUMENTED + "training: {max_len: 8}")


def test_every_name_that_an_alias_stands_for_is_a_setting() -> None:
    keys = {key.rpartition(".")[2] for model in models().values() for key in known_keys(model)}
    assert {ours for group in aliases._OTHER_NAMES for ours in group} <= keys


@pytest.mark.parametrize(
    "words",
    [
        "tuple",
        "String should",
        "Input should",
        "Value error",
        "pydantic",
        "literal[",
        "int_type",
        "int_parsing",
        "dictionary",
    ],
)
def test_no_message_speaks_the_library_s_language(load: Load, words: str) -> None:
    said = []
    for text, _ in REFUSED:
        try:
            load(BASE + text)
        except InputError as error:
            said.append(str(error))
    assert len(said) > 30
    assert [line for line in said if words in line] == []


# ---- the documentation of the keys


def models() -> dict[str, type[BaseModel]]:
    return {"run": config.Run, **{name: plugins.load("formats", name).Config for name in plugins.names("formats")}}


def leaves(model: type[BaseModel]) -> list[str]:
    keys = known_keys(model)
    return sorted(key for key in keys if not any(other.startswith(f"{key}.") for other in keys))


def schema_leaves(
    schema: dict[str, Any], node: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (dotted key, property) of every setting of a JSON schema that is no section."""
    for name, field in node["properties"].items():
        refs = [part["$ref"] for part in (field, *field.get("anyOf", ())) if "$ref" in part]
        if refs:
            yield from schema_leaves(schema, schema["$defs"][refs[0].rpartition("/")[2]], f"{prefix}{name}.")
        else:
            yield prefix + name, field


def test_known_keys_are_sections_and_settings() -> None:
    keys = known_keys(config.Run)
    assert {"data", "data.path", "track.neptune", "track.neptune.api_token", "train.epochs", "seed"} <= keys
    assert "neptune" not in keys


@pytest.mark.parametrize("name", models())
def test_explain_tells_every_setting_once_with_its_meaning(name: str) -> None:
    model = models()[name]
    found = list(explain(model))
    assert sorted(key for key, *_ in found) == leaves(model)
    assert [key for key, _, _, meaning in found if len(meaning) < 5] == []
    assert [key for key, kind, _, _ in found if not kind] == []


def test_explain_shows_the_types_and_the_defaults() -> None:
    found = {key: (kind, default) for key, kind, default, _ in explain(config.Run)}
    run = config.parse({"data": {"path": "rows.parquet"}})
    assert found.pop("data.path") == ("str", "required")
    optional: dict[str, Any] = {"neptune": config.Neptune, "select": config.Select, "tune": config.Tune}
    optional |= {"model.lora": config.Lora, "images.lora": config.ImageLora, "windows": config.Windows}
    optional |= {"mlflow": config.MLflow, "clearml": config.ClearML, "trackio": config.Trackio, "wandb": config.Wandb}
    for key, (_, shown) in found.items():
        value: Any = run
        parts = key.split(".")
        for part, path in zip(parts, accumulate(parts, "{}.{}".format), strict=True):
            value = getattr(value, part)
            section = optional.get(part) or optional.get(path)
            value = section() if section else value
        assert json.loads(shown) == json.loads(json.dumps(value)), key
    assert found["train.schedule"] == ("linear | cosine | constant", '"linear"')
    assert found["train.learning_rate"] == ("float", "5e-05")
    assert found["track.neptune.tags"] == ("list", "[]")
    assert found["track.neptune.api_token"][0] == "secret"
    assert found["checkpoint.every_batches"] == ("int", "null")


@pytest.mark.parametrize("name", models())
def test_the_json_schema_is_strict_complete_and_described(name: str) -> None:
    schema = models()[name].model_json_schema()
    fields = dict(schema_leaves(schema, schema))
    assert sorted(fields) == leaves(models()[name])
    assert [key for key, field in fields.items() if not field.get("description")] == []
    sections = [schema, *schema.get("$defs", {}).values()]
    assert all(section["additionalProperties"] is False for section in sections)
    required = {f"{key}" for key, field in fields.items() if "default" not in field}
    assert required == {key for key, _, default, _ in explain(models()[name]) if default == "required"}


def test_the_schema_names_the_choices_for_an_editor() -> None:
    schema = config.Run.model_json_schema()
    assert schema["$defs"]["Train"]["properties"]["schedule"]["enum"] == ["linear", "cosine", "constant"]
    assert schema["$defs"]["Train"]["properties"]["epochs"]["exclusiveMinimum"] == 0
