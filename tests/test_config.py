"""The config: strict, told in one line, frozen, masked, documented key by key."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tithe import config, plugins, vocabulary
from tithe.errors import InputError

BASE = "data: {path: rows.parquet}\n"
SECRET = "s3cr3t-do-not-show"

Load = Callable[..., config.Run]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Write a config and load it, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)

    def load(text: str | bytes, *overrides: str) -> config.Run:
        path = tmp_path / "run.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return config.load(path, overrides)

    return load


def refusal(load: Load, text: str | bytes, *overrides: str) -> str:
    """Load what must be refused, and return the one line that says why."""
    with pytest.raises(InputError) as caught:
        load(text, *overrides)
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert message.strip() == message != ""
    assert len(message.splitlines()) == 1, message
    return message


# ---- what is refused, as data: (the file, what the line must say)

REFUSED = [
    ("train: {lerning_rate: 1}", "unknown key 'train.lerning_rate' in run.yaml: did you mean 'learning_rate'?"),
    ("lerning_rate: 1", "unknown key 'lerning_rate' in run.yaml: did you mean 'train.learning_rate'?"),
    ("model: {epochs: 1}", "unknown key 'model.epochs' in run.yaml: did you mean 'train.epochs'?"),
    ("train: {api_tokn: x}", "did you mean 'track.neptune.api_token'?"),
    ("zzzz: 1", "unknown key 'zzzz' in run.yaml: choose one of checkpoint, data, images, model"),
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
]

REFUSED_DATA = [
    ("{}", "'data.path' is missing: set it"),
    ("null", "'data' should be a section with keys class_weights"),
    ("rows.parquet", "'data' should be a section with keys class_weights"),
    ("{path: 1}", "data.path = 1 should be a string"),
    ("{path: a, val_ratio: 0}", "data.val_ratio = 0 should be greater than 0"),
    ("{path: a, val_ratio: 1}", "data.val_ratio = 1 should be less than 1"),
    ("{path: a, test_ratio: -0.1}", "data.test_ratio = -0.1 should be"),
    ("{path: a, val_ratio: 0.5, test_ratio: 0.5}", "val_ratio + test_ratio must leave rows to train on"),
    ("{path: a, num_workers: 1.5}", "data.num_workers = 1.5 should be an integer"),
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


def test_the_other_mistakes_are_counted(load: Load) -> None:
    assert refusal(load, BASE + "train: {epochs: 0, batch_size: 0, nope: 1}").endswith("(and 2 more)")


@pytest.mark.parametrize("words", ["tuple", "String should", "Input should", "Value error", "pydantic"])
def test_no_message_speaks_the_library_s_language(load: Load, words: str) -> None:
    said = []
    for text, _ in REFUSED:
        try:
            load(BASE + text)
        except InputError as error:
            said.append(str(error))
    assert len(said) > 30
    assert [line for line in said if words in line] == []


BAD_FILES = [
    (b"", "holds no settings"),
    (b"# only a comment\n", "holds no settings"),
    (b"- 1\n- 2\n", "holds no settings"),
    (b"just a word", "holds no settings"),
    (b"\xff\xfe\x00\x01", "is not a text file"),
    (b"data: \x00", "is not YAML"),
    (b"name: a\ndata: b: c\n", "is not YAML at line 2, column 8"),
    (b"name: a\nseed: [1\n", "is not YAML at line 3"),
    (b"name: a\n\tseed: 1\n", "is not YAML at line 2"),
    (b"name: a\nname: b\n", "is not YAML at line 2"),
    (b"name: *nobody\n", "is not YAML at line 1"),
    (b"name: a\n---\nname: b\n", "is not YAML at line 2"),
    (b"name: !!python/object/apply:os.system [id]\n", "is not YAML at line 1"),
    (b"{a: b}: 1\n", "is not YAML at line 1"),
    (b"data: &loop {path: *loop}\n", "run.yaml"),
    (b"data: &loop [*loop]\n", "run.yaml"),
]


@pytest.mark.parametrize(("content", "says"), BAD_FILES, ids=[repr(content) for content, _ in BAD_FILES])
def test_a_file_that_is_no_config_is_refused_in_one_line(load: Load, content: bytes, says: str) -> None:
    message = refusal(load, content)
    assert says in message
    assert "run.yaml" in message


@pytest.mark.parametrize("name", ["missing.yaml", "folder"])
def test_a_path_without_a_file_is_named_with_the_folder_it_was_looked_for_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"no config file {name} .seen from {tmp_path}"):
        config.load(Path(name))


# ---- what is understood


@pytest.mark.parametrize("written", ["1e-5", "1E-5", "1.0e-5", "0.00001", ".00001"])
def test_a_small_number_is_a_number_in_the_file_and_in_set(load: Load, written: str) -> None:
    assert load(BASE + f"train: {{learning_rate: {written}}}").train.learning_rate == 1e-5
    assert load(BASE, f"train.learning_rate={written}").train.learning_rate == 1e-5


def test_a_whole_number_does_for_a_fraction(load: Load) -> None:
    assert load(BASE + "train: {clip_norm: 2}").train.clip_norm == 2.0


def test_no_is_a_word_and_null_is_nothing(load: Load) -> None:
    run = load(BASE + "train: {precision: no, schedule_steps: null}\nout: null\n")
    assert (run.train.precision, run.train.schedule_steps, run.out) == ("no", None, None)


@pytest.mark.parametrize(
    "text",
    ['{\n\t"data": {"path": "a"}, "seed": 7}', "\ufeffdata: {path: a}\r\nseed: 7\r\n", "{data: {path: a}, seed: 7}"],
)
def test_json_and_files_from_windows_are_read(load: Load, text: str) -> None:
    run = load(text)
    assert (run.data.path, run.seed) == ("a", 7)


def test_cyrillic_is_kept(load: Load) -> None:
    assert load("data: {path: данные.parquet, text_column: текст}").data.text_column == "текст"


def test_a_run_is_frozen(load: Load) -> None:
    run = load(BASE)
    for section, name in ((run, "seed"), (run.data, "path"), (run.train, "epochs")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, name, getattr(section, name))


# ---- --set


def test_set_replaces_one_setting_and_keeps_its_neighbours(load: Load) -> None:
    run = load(BASE + "train: {epochs: 5, batch_size: 4}", "train.epochs=2", "data.val_ratio=0.2")
    assert (run.train.epochs, run.train.batch_size, run.data.path) == (2, 4, "rows.parquet")
    assert run.data.val_ratio == 0.2


def test_the_last_set_wins_and_values_may_hold_an_equals_sign(load: Load) -> None:
    run = load(BASE, "train.epochs=2", "train.epochs=4", "data.text_column=a=b")
    assert (run.train.epochs, run.data.text_column) == (4, "a=b")


def test_set_makes_a_section_that_the_file_lacks(load: Load) -> None:
    assert load(BASE, "track.neptune.tags=[a, b]").track.neptune == config.Neptune(tags=("a", "b"))


SETS = [
    ("train.epochs", "--set 'train.epochs' is not key=value"),
    ("=2", "is not key=value"),
    ("train.epochs=", "train.epochs = None should be an integer"),
    ("train.epochs=x", "train.epochs = 'x' should be an integer"),
    ("train.epochs=[", "--set train.epochs is not YAML"),
    ('train.learning_rate="1e-5"', "train.learning_rate = '1e-5' should be a number"),
    ("trian.epochs=2", "unknown key 'trian' in run.yaml and --set: did you mean 'train'?"),
    ("train.epoch=2", "unknown key 'train.epoch' in run.yaml and --set: did you mean 'epochs'?"),
    ("train..epochs=2", "unknown key"),
    (".=2", "unknown key"),
    ("train=5", "'train' should be a section"),
    ("train.epochs.x=2", "train.epochs = {'x': 2} should be an integer"),
]


@pytest.mark.parametrize(("setting", "says"), SETS, ids=[setting for setting, _ in SETS])
def test_a_wrong_set_is_refused_in_one_line(load: Load, setting: str, says: str) -> None:
    assert says in refusal(load, BASE, setting)


DOCUMENTED = "model_name: tiny\ndata: {parquet_path: rows.parquet}\n"


@pytest.mark.parametrize("setting", ["training.num_epochs=2", "train.epochs=2"])
def test_set_speaks_the_file_s_language_and_the_native_one(load: Load, setting: str) -> None:
    assert load(DOCUMENTED, setting).train.epochs == 2


def test_set_on_a_documented_file_suggests_its_own_keys(load: Load) -> None:
    assert "num_epochs" in refusal(load, DOCUMENTED, "training.num_epoch=2")


# ---- ${NAME} and .env


def test_a_variable_is_filled_in_from_the_environment(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITHE_TEST_NAME", "first")
    run = load(BASE + "name: ${TITHE_TEST_NAME}-x-${TITHE_TEST_NAME}\ntrack: {neptune: {tags: ['${TITHE_TEST_NAME}']}}")
    assert run.name == "first-x-first"
    assert run.track.neptune is not None
    assert run.track.neptune.tags == ("first",)


@pytest.mark.parametrize(("text", "name"), [("${TITHE_TEST_NONE:-spare}", "spare"), ("a${TITHE_TEST_NONE:-}b", "ab")])
def test_a_default_stands_in_for_a_variable(load: Load, text: str, name: str) -> None:
    assert load(BASE + f"name: {text}").name == name


def test_a_set_variable_wins_over_its_default(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITHE_TEST_NAME", "first")
    assert load(BASE + "name: ${TITHE_TEST_NAME:-spare}").name == "first"


def test_an_unset_variable_is_named_with_its_cure(load: Load) -> None:
    message = refusal(load, BASE + "name: ${TITHE_TEST_NONE}")
    assert message == "run.yaml: ${TITHE_TEST_NONE} is not set: export TITHE_TEST_NONE, or write it to .env"


DOTENV = [
    ("X=a", "a"),
    ("X = a", "a"),
    ("  X=a  ", "a"),
    ("export X=a", "a"),
    ("export\tX=a", "a"),
    ("X='a'", "a"),
    ('X="a"', "a"),
    ('X="a" # a comment', "a"),
    ("X=a # a comment", "a"),
    ("# X=b\nX=a\n# X=c", "a"),
    ("X=b\nX=a", "a"),
    ("W=b\r\nX=a\r\nY=c\r\n", "a"),
    ("\ufeffX=a", "a"),
    ("X=", ""),
    ("X=\nY=b", ""),
    ("X=''\nY=b", ""),
    ('X="a#b"', "a#b"),
    ("X=a#b", "a#b"),
    ("X=a=b", "a=b"),
    ("X=$(touch executed)", "$(touch executed)"),
]


@pytest.mark.parametrize(("content", "value"), DOTENV, ids=[repr(content) for content, _ in DOTENV])
def test_dotenv_is_read_as_its_users_write_it(load: Load, tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / ".env").write_bytes(content.encode())
    assert load(BASE + "out: '<${X}>'").out == f"<{value}>"
    assert not (tmp_path / "executed").exists()


def test_an_empty_line_of_dotenv_does_not_swallow_the_next(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("X=\nY=b\n", encoding="utf-8")
    assert load(BASE + "out: '${Y}'").out == "b"


def test_dotenv_beside_the_config_wins_over_the_working_directory_and_the_environment_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside" / "run.yaml").write_text(BASE + "out: '${A} ${B} ${C}'", encoding="utf-8")
    (tmp_path / ".env").write_text("A=here\nB=here\nC=here", encoding="utf-8")
    (tmp_path / "beside" / ".env").write_text("B=beside\nC=beside", encoding="utf-8")
    monkeypatch.setenv("C", "environment")
    assert config.load(Path("beside/run.yaml")).out == "here beside environment"


@pytest.mark.parametrize("encoding", ["utf-16", "cp1251"])
def test_a_dotenv_in_another_encoding_is_an_input_error(load: Load, tmp_path: Path, encoding: str) -> None:
    (tmp_path / ".env").write_bytes("X=секрет".encode(encoding))
    assert ".env" in refusal(load, BASE + "out: ${X}")


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
    assert SECRET not in refusal(load, BASE + "train: {epochs: '${TITHE_TEST_TOKEN}'}")


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


# ---- the documentation of the keys


def models() -> dict[str, type[BaseModel]]:
    return {"run": config.Run, **{name: plugins.load("recipes", name).Config for name in plugins.names("recipes")}}


def leaves(model: type[BaseModel]) -> list[str]:
    keys = vocabulary.known_keys(model)
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
    keys = vocabulary.known_keys(config.Run)
    assert {"data", "data.path", "track.neptune", "track.neptune.api_token", "train.epochs", "seed"} <= keys
    assert "neptune" not in keys


@pytest.mark.parametrize("name", models())
def test_explain_tells_every_setting_once_with_its_meaning(name: str) -> None:
    model = models()[name]
    told = list(vocabulary.explain(model))
    assert sorted(key for key, *_ in told) == leaves(model)
    assert [key for key, _, _, meaning in told if len(meaning) < 5] == []
    assert [key for key, kind, _, _ in told if not kind] == []


def test_explain_shows_the_types_and_the_defaults() -> None:
    told = {key: (kind, default) for key, kind, default, _ in vocabulary.explain(config.Run)}
    run = config.parse({"data": {"path": "rows.parquet"}})
    assert told.pop("data.path") == ("str", "required")
    optional: dict[str, Any] = {"neptune": config.Neptune, "select": config.Select, "tune": config.Tune}
    optional |= {"mlflow": config.MLflow, "clearml": config.ClearML}
    for key, (_, shown) in told.items():
        value: Any = run
        for part in key.split("."):
            value = getattr(value, part)
            value = optional[part]() if part in optional else value
        assert json.loads(shown) == json.loads(json.dumps(value)), key
    assert told["train.schedule"] == ("linear | cosine | constant", '"linear"')
    assert told["train.learning_rate"] == ("float", "5e-05")
    assert told["track.neptune.tags"] == ("list", "[]")
    assert told["track.neptune.api_token"][0] == "secret"
    assert told["checkpoint.every_batches"] == ("int", "null")


@pytest.mark.parametrize("name", models())
def test_the_json_schema_is_strict_complete_and_described(name: str) -> None:
    schema = models()[name].model_json_schema()
    fields = dict(schema_leaves(schema, schema))
    assert sorted(fields) == leaves(models()[name])
    assert [key for key, field in fields.items() if not field.get("description")] == []
    sections = [schema, *schema.get("$defs", {}).values()]
    assert all(section["additionalProperties"] is False for section in sections)
    required = {f"{key}" for key, field in fields.items() if "default" not in field}
    assert required == {key for key, _, default, _ in vocabulary.explain(models()[name]) if default == "required"}


def test_the_schema_names_the_choices_for_an_editor() -> None:
    schema = config.Run.model_json_schema()
    assert schema["$defs"]["Train"]["properties"]["schedule"]["enum"] == ["linear", "cosine", "constant"]
    assert schema["$defs"]["Train"]["properties"]["epochs"]["exclusiveMinimum"] == 0


def test_a_stray_section_does_not_turn_a_native_config_into_a_recipe() -> None:
    raw = {"data": {"path": "rows.parquet"}, "neptune": {"project": "a/b", "tags": ["x"], "run_id": "r"}}
    assert config.recognise(raw) is None
    with pytest.raises(InputError, match="unknown key 'neptune'"):
        config.parse(raw)
