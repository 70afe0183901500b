"""Small real parts: encoders of the real classes with random weights, a real tokenizer, generated rows."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("support")

from support.environment import ABSENT, isolate  # noqa: E402

isolate(os.environ)  # before any library reads it
sys.path.insert(0, ABSENT)

from support import figures, state  # noqa: E402
from support.state import logs  # noqa: E402
from support.state.kind import Values  # noqa: E402
from support.texts import FILLER, TOPICS, make_texts, write_rows  # noqa: E402


class _WideFixtures:
    """A plugin of its own: pytest asks a conftest only about fixtures of its folder, not about those of a session."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """A fixture that outlives its test may not change the process: later tests would depend on the order."""
        if fixturedef.scope == "function" or fixturedef.argname == "session_cache":
            return (yield)
        before = state.take()
        value = yield
        if found := state.put_back(before)[0]:
            pytest.fail(state.message(f"the fixture {fixturedef.argname} ({fixturedef.scope})", found), pytrace=False)
        return value


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_WideFixtures())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes minutes, after the others are shuffled: at the end all would wait for it alone."""
    items.sort(key=lambda item: item.path.name != "test_ray.py")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how to run this order again: quiet runs print no header, where it would be said else."""
    terminalreporter.write_line(f"the order of this run: --randomly-seed={config.getoption('randomly_seed')}")


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What fixtures of a wider scope compute goes to a cache of its own too: they run before those of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITHE_CACHE", str(tmp_path_factory.mktemp("session-cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """What a killed process has written is there without an fsync; no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def blank_figures() -> Iterator[None]:
    """Runs leave blank pictures: drawing ten of them is four fifths of a tiny run. See `real_figures`."""
    with figures.blank():
        yield


@pytest.fixture(scope="module")
def real_figures() -> Iterator[None]:
    """The pictures of a module that looks at them are drawn: `pytestmark = pytest.mark.usefixtures(...)`."""
    with figures.real():
        yield


@pytest.fixture
def drawn() -> Iterator[None]:
    """The pictures of one test are drawn: where the other tests of its module look at none."""
    with figures.real():
        yield


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    """Begin with the log as a new process has it; fail the test that leaves the process otherwise than it was."""
    logs.reset()
    before = _left.pop() if _left else state.take()
    yield
    found, after = state.put_back(before)
    _left.append(after)
    if found:
        pytest.fail(state.message("this test", found), pytrace=False)


_left: list[list[Values]] = []  # by the test before: nothing but fixtures that are compared too comes between two tests


@pytest.fixture(autouse=True)
def own_cache(clean_process: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every test has a cache of its own for what it computes, also after its own `monkeypatch.undo()`."""
    # Not `mktemp`, which looks at the folders of all tests before this one to find a free number.
    folder = tmp_path_factory.getbasetemp() / "caches" / str(next(_numbers))
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITHE_CACHE", str(folder))
        yield


_numbers = itertools.count()


@pytest.fixture
def seeded() -> Iterator[None]:
    """Give a test torch's global generator with a seed; after it the generator is where it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A Parquet file of 120 rows, two classes."""
    return write_rows(tmp_path / "rows.parquet", *make_texts(60))


def _tokenizer(folder: Path) -> int:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for topic in TOPICS.values() for word in topic} | set(FILLER))
    vocab = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])]
    )
    names = {f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return len(vocab)


def _encoder(folder: Path, kind: str) -> Path:
    import torch
    from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel

    vocab = _tokenizer(folder)
    sizes = {"vocab_size": vocab, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if kind == "bert":
            config = BertConfig(**sizes, intermediate_size=64, max_position_embeddings=64, pad_token_id=0)
            BertModel(config).save_pretrained(folder)
        else:
            ids = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
            config = ModernBertConfig(**sizes, **ids, intermediate_size=64, max_position_embeddings=64)
            ModernBertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real BertModel of two layers and its tokenizer."""
    return _encoder(tmp_path_factory.mktemp("bert"), "bert")


@pytest.fixture(scope="session")
def tiny_modernbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real ModernBertModel of two layers and its tokenizer."""
    return _encoder(tmp_path_factory.mktemp("modernbert"), "modernbert")


@pytest.fixture
def tithe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call the command in this process; return its exit code, its output and its lines on stderr."""
    from tithe.cli import main

    def call(*arguments: object) -> tuple[Any, str, list[str]]:
        monkeypatch.setattr("sys.argv", ["tithe", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main.main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err.splitlines()

    return call


@pytest.fixture
def settings(rows: Path, tiny_bert: Path, tmp_path: Path) -> Callable[..., dict[str, object]]:
    """Build a small native config; keyword arguments replace or extend its sections."""

    def build(**sections: object) -> dict[str, object]:
        raw: dict[str, object] = {
            "name": "test",
            "out": str(tmp_path / "run"),
            "data": {"path": str(rows)},
            "model": {"encoder": str(tiny_bert), "max_length": 32},
            "train": {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "precision": "no", "device": "cpu"},
            "track": {"tensorboard": False},
        }
        for name, value in sections.items():
            raw[name] = {**raw.get(name, {}), **value} if isinstance(value, dict) else value  # type: ignore[dict-item]
        return raw

    return build
