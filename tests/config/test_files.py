"""Config files, `--set`, variables and `.env`, as their users write them."""

from pathlib import Path

import pytest

from support.configs import BASE, DOCUMENTED, Load, refusal
from tithe import config
from tithe.errors import InputError

BAD_FILES = [
    (b"", "contains no settings"),
    (b"# only a comment\n", "contains no settings"),
    (b"- 1\n- 2\n", "contains no settings"),
    (b"just a word", "contains no settings"),
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


@pytest.mark.parametrize(
    "text",
    ['{\n\t"data": {"path": "a"}, "seed": 7}', "\ufeffdata: {path: a}\r\nseed: 7\r\n", "{data: {path: a}, seed: 7}"],
)
def test_json_and_files_from_windows_are_read(load: Load, text: str) -> None:
    run = load(text)
    assert (run.data.path, run.seed) == ("a", 7)


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
