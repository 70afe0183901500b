"""Tokenizers that know none of the words: refused in one line with the likely cause, or warned of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.encoders import copied
from support.text_tasks import data, opened
from support.tokenizers import EVERY, words
from tithe.errors import InputError
from tithe.models import vocabulary
from tithe.tasks import text

RUSSIAN = [f"хороший фильм , {i} раз . и сюжет" for i in range(20)]
ENGLISH = ["the film was good , and bad .", "good film ! 1 2 3"] * 10


def without_tokenizer(folder: Path, to: Path, **config: object) -> Path:
    home = copied(folder, to, **config)
    for pattern in ("tokenizer*", "vocab*", "special*"):
        for path in home.glob(pattern):
            path.unlink()
    return home


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


# ---- before any data are read


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({}, "tokenizer.json, vocab.txt"),
        ({"model_type": "roberta"}, "tokenizer.json, merges.txt, vocab.json"),
        ({"model_type": "mpnet"}, "tokenizer.json, vocab.txt"),
        ({"model_type": "xlm-roberta"}, "tokenizer.json, sentencepiece.bpe.model"),
    ],
    ids=lambda value: str(value.get("model_type", "bert")) if isinstance(value, dict) else "",
)
def test_a_folder_without_its_tokenizer_is_refused_with_what_is_missing(
    tiny_bert: Path, tmp_path: Path, config: dict[str, object], missing: str
) -> None:
    home = without_tokenizer(tiny_bert, tmp_path / "encoder", **config)
    with pytest.raises(InputError) as error:
        opened(home)
    assert f"({missing} missing from {home}): copy the tokenizer's files there" in one_line(error)


def test_a_vocabulary_of_special_tokens_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    home = without_tokenizer(tiny_bert, tmp_path / "encoder")
    words(vocabulary=[]).save_pretrained(home)
    with pytest.raises(InputError, match=r"has 5 special tokens and no words.*: choose an encoder") as error:
        opened(home)
    assert "missing" not in one_line(error)


@pytest.mark.parametrize("content", ["{", "", '{"model": 1}', "\0\1"])
def test_a_damaged_tokenizer_is_one_line(tiny_bert: Path, tmp_path: Path, content: str) -> None:
    home = copied(tiny_bert, tmp_path / "encoder")
    (home / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match="can't be opened: its tokenizer: ") as error:
        opened(home)
    one_line(error)


def test_a_damaged_tokenizer_of_a_checkpoint_is_one_line(tiny_bert: Path, tmp_path: Path) -> None:
    task = opened(tiny_bert)
    task.save(tmp_path / "kept")
    shutil.rmtree(tmp_path / "kept/tokenizer")
    (tmp_path / "kept/tokenizer").mkdir()
    with pytest.raises(InputError, match="tokenizer") as error:
        text.restore(task.run, tmp_path / "kept", task.fingerprint())
    one_line(error)


# ---- on the texts


@pytest.mark.parametrize("texts", [ENGLISH, ["! .", ", ,"]], ids=["words", "signs"])
@pytest.mark.parametrize("name", EVERY)
def test_texts_that_a_tokenizer_knows_pass(name: str, texts: list[str]) -> None:
    assert vocabulary.unknown_share(EVERY[name](), texts) == 0


@pytest.mark.parametrize("name", [name for name in EVERY if name.startswith(("bytes", "characters"))])
def test_bytes_and_characters_know_every_text(name: str) -> None:
    assert vocabulary.unknown_share(EVERY[name](), [*RUSSIAN, "🙂", "…"]) == 0


@pytest.mark.parametrize("texts", [RUSSIAN, ["unheard of"], ["🙂 🙂 !"]], ids=["language", "words", "signs"])
def test_the_share_of_unknown_words_does_not_count_what_languages_share(texts: list[str]) -> None:
    tokenizer = words(vocabulary=[word for word in ENGLISH[0].split() if not word.isdecimal()])
    assert vocabulary.unknown_share(tokenizer, texts) == 1


def test_texts_without_any_token_are_unknown() -> None:
    from transformers import GPT2Tokenizer

    assert vocabulary.unknown_share(GPT2Tokenizer(vocab={"a": 0, "<|endoftext|>": 1}, merges=[]), ["суп", "сыр"]) == 1


def test_a_tokenizer_of_another_language_is_refused_before_all_texts_are_tokenised(
    tiny_bert: Path, tmp_path: Path
) -> None:
    home = without_tokenizer(tiny_bert, tmp_path / "encoder")
    words(vocabulary=["the", "film", "was", "good", ",", "."]).save_pretrained(home)
    ticks: list[int] = []
    with pytest.raises(InputError, match=r"100 % of the tokens of 20 texts are unknown to its tokenizer") as error:
        opened(home).encode(data(tmp_path, RUSSIAN), ticks.append)
    assert "choose an encoder for the language of the texts" in one_line(error) and not ticks


def test_many_unknown_words_are_a_warning(tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = [f"goal team {'unheard' * i} {'neverseen' * i}" for i in range(1, 21)]
    opened(tiny_bert).encode(data(tmp_path, texts))
    assert "50 % of the tokens of 20 texts are unknown to its tokenizer" in caplog.text


def test_a_trained_model_is_never_refused(tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = opened(tiny_bert)
    task.save(tmp_path / "kept")
    texts = [f"unheard{i} neverseen" for i in range(20)]
    text.restore(task.run, tmp_path / "kept", task.fingerprint()).encode(data(tmp_path, texts))
    assert "100 % of the tokens of 20 texts are unknown" in caplog.text


def test_the_texts_that_are_looked_at_are_spread_over_all() -> None:
    rows = vocabulary.sample(10_000)
    assert rows[0] == 0 and rows[-1] == 9_999 and len(rows) == 256
    assert vocabulary.sample(3).tolist() == [0, 1, 2] and len(vocabulary.sample(0)) == 0


def test_a_language_model_without_its_tokenizer_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    from tithe.select.signals import causal_lm

    home = tmp_path / "lm"
    home.mkdir()
    (home / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(InputError, match=r"the language model .* merges\.txt, vocab\.json missing from") as error:
        causal_lm.open_model(home)
    one_line(error)
