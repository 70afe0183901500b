"""Small real parts: encoders of the real classes with random weights, a real tokenizer, generated rows."""

from __future__ import annotations

import logging
import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.texts import FILLER, TOPICS, make_texts, write_rows


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a cache of its own for what it computes."""
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """The command line sets up the log of its process: put it back for the next test."""
    logger = logging.getLogger("tithe")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers = handlers


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
        logging.getLogger("tithe").handlers[:] = []  # the command's own keeps the stderr of the moment it was made
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
