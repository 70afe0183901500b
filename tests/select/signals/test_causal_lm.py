"""Causal language models: tiny ones of real classes against the losses that transformers itself computes."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from support.texts import FILLER, TOPICS, make_texts
from tithe import plugins
from tithe.errors import InputError
from tithe.select.entry import select
from tithe.select.signals import causal_lm

LENGTH = 32  # tokens that the tests allow; the tiny models have 48 positions
TEXTS = [*make_texts(12, classes=3)[0], "goal", "goal team", "unknownword", "goal " * 500, "Ёж 🙂 !"]


def _tokenizer(folder: Path, starts: bool) -> int:
    """Write a word tokenizer; one that `starts` puts its BOS token before every text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted(
        {word for topic in TOPICS.values() for word in topic} | {*FILLER, *TOPICS, "text", "label", ":", "n"}
    )
    vocab = {word: i for i, word in enumerate(["<unk>", "<s>", "</s>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if starts:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return len(vocab)


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real language model of two layers: GPT-2, or Llama whose tokenizer puts BOS before a text."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp(request.param)
    ids = {"vocab_size": _tokenizer(folder, starts=request.param == "llama"), "bos_token_id": 1, "eos_token_id": 2}
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 48}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # Weights large enough that tokens differ in their probabilities.
        if request.param == "gpt2":
            GPT2LMHeadModel(GPT2Config(**ids, **sizes, initializer_range=0.3)).save_pretrained(folder)
        else:
            config = LlamaConfig(**ids, **sizes, intermediate_size=64, initializer_range=0.3)
            LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> causal_lm.LanguageModel:
    return causal_lm.open_model(folder, LENGTH)


def own_loss(folder: Path, ids: list[int], labels: list[int] | None = None) -> float:
    """Return the loss that transformers computes of one sequence without padding."""
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return float(network(input_ids=torch.tensor([ids]), labels=torch.tensor([labels or ids])).loss)


def encoded(folder: Path, text: str, **how: Any) -> list[int]:
    return AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=LENGTH, **how)["input_ids"]


# ---- perplexity


@pytest.mark.parametrize("text", [TEXTS[0], TEXTS[1], "goal team", "goal " * 500, "unknownword 🙂"])
def test_the_perplexity_of_a_text_is_that_of_the_loss_of_transformers(
    folder: Path, model: causal_lm.LanguageModel, text: str
) -> None:
    perplexity_N = causal_lm.perplexities(model, [text])
    assert perplexity_N == pytest.approx([math.exp(own_loss(folder, encoded(folder, text)))], rel=1e-5)


@pytest.mark.parametrize("text", ["goal", "unknownword"])
def test_a_text_of_one_token_is_predicted_from_the_start_token(
    folder: Path, model: causal_lm.LanguageModel, text: str
) -> None:
    ids = [1, *encoded(folder, text, add_special_tokens=False)]
    assert len(ids) == 2
    assert causal_lm.perplexities(model, [text]) == pytest.approx([math.exp(own_loss(folder, ids))])


def test_without_a_bos_token_the_eos_token_is_the_context_and_without_both_there_is_none(
    folder: Path, tmp_path: Path
) -> None:
    for kept, expected in (("eos_token", math.exp(own_loss(folder, [2, 8]))), ("unk_token", np.inf)):
        copy = shutil.copytree(folder, tmp_path / kept)
        tokenizer = AutoTokenizer.from_pretrained(copy)
        word = tokenizer.convert_ids_to_tokens(8)
        tokenizer.backend_tokenizer.post_processor = None
        tokenizer.bos_token = None
        if kept != "eos_token":
            tokenizer.eos_token = None
        tokenizer.save_pretrained(copy)
        assert causal_lm.perplexities(causal_lm.open_model(copy, LENGTH), [word]) == pytest.approx([expected])


def test_an_empty_text_has_infinite_perplexity(model: causal_lm.LanguageModel) -> None:
    perplexity_N = causal_lm.perplexities(model, ["", "goal team", "  "])
    assert np.isinf(perplexity_N).tolist() == [True, False, True]
    assert causal_lm.perplexities(model, [""]).tolist() == [np.inf]
    assert causal_lm.perplexities(model, []).shape == (0,)


def test_neither_padding_nor_company_nor_order_changes_perplexities(model: causal_lm.LanguageModel) -> None:
    alone = causal_lm.perplexities(model, TEXTS, batch_size=1)
    assert alone.std() > 1  # the texts do differ
    together = causal_lm.perplexities(model, TEXTS, batch_size=8)
    assert together == pytest.approx(alone, rel=1e-4)
    assert causal_lm.perplexities(model, TEXTS[::-1], 8)[::-1] == pytest.approx(alone, rel=1e-4)
    assert causal_lm.perplexities(model, TEXTS, batch_size=8).tolist() == together.tolist()


def test_batches_are_longest_first_and_bounded_in_rows_and_cost() -> None:
    lengths = np.array([3, 0, 9, 1, 5, 5, 0, 20, 2])
    cut = [rows.tolist() for rows in causal_lm._batches(lengths, batch_size=3, cost=15)]
    assert cut == [[7], [2], [4, 5, 0], [8, 3]]
    assert list(causal_lm._batches(np.zeros(2, dtype=np.int64), 3, 15)) == []


def test_ticks_count_every_text(model: causal_lm.LanguageModel) -> None:
    done: list[int] = []
    causal_lm.perplexities(model, ["goal team", "", "goal"], batch_size=2, tick=done.append)
    assert sum(done) == 3
    done.clear()
    causal_lm.label_losses(model, ["goal team", ""], ["sport", "space"], tick=done.append)
    assert sum(done) == 2


# ---- losses of labels


def test_label_losses_are_those_of_the_label_after_the_template(folder: Path, model: causal_lm.LanguageModel) -> None:
    labels = ["sport", "space team goal", "кухня"]
    texts = ["the team", "", "goal " * 500]
    conditional_N, prior_N = causal_lm.label_losses(model, texts, labels)
    start = [1] if encoded(folder, "")[:1] == [1] else []
    for text, label, conditional, prior in zip(texts, labels, conditional_N, prior_N, strict=True):
        answer = encoded(folder, label, add_special_tokens=False)
        for body, loss in ((text, conditional), ("N/A", prior)):
            words = encoded(folder, body, add_special_tokens=False)[: LENGTH - 4 - len(start) - len(answer)]
            context = [*start, *encoded(folder, "text:", add_special_tokens=False), *words]
            context += encoded(folder, "label:", add_special_tokens=False)
            assert len(context) + len(answer) <= LENGTH
            expected = own_loss(folder, context + answer, [-100] * len(context) + answer)
            assert loss == pytest.approx(expected, rel=1e-5)


def test_neither_padding_nor_company_changes_label_losses(model: causal_lm.LanguageModel) -> None:
    labels = [list(TOPICS)[i % 3] if i % 2 else "goal of the team" for i in range(len(TEXTS))]
    alone = np.array(causal_lm.label_losses(model, TEXTS, labels, batch_size=1))
    together = np.array(causal_lm.label_losses(model, TEXTS, labels, batch_size=8))
    assert together == pytest.approx(alone, rel=1e-4)
    assert np.isfinite(alone).all()
    for label in set(labels):  # L(y) is one number for a class, L(y | x) is not
        rows = [i for i, name in enumerate(labels) if name == label]
        assert len(set(alone[1, rows])) == 1
        assert len(set(alone[0, rows])) > 1
    assert [part.shape for part in causal_lm.label_losses(model, [], [])] == [(0,), (0,)]


def test_a_label_without_tokens_or_room_is_an_error(model: causal_lm.LanguageModel) -> None:
    with pytest.raises(InputError, match="label ' ' has no tokens in this language model: give it another name"):
        causal_lm.label_losses(model, ["goal"], [" "])
    with pytest.raises(InputError, match="leaves no room for a text in max_length 32: set it above "):
        causal_lm.label_losses(model, ["goal"], ["goal " * 30])


# ---- models


def test_a_path_that_leads_nowhere_is_an_error_with_the_cure(tmp_path: Path) -> None:
    cure = "pass the folder of a causal language model, or a .gguf file"
    (tmp_path / "notes.txt").write_text("")
    for name in ("none", "none.gguf", "notes.txt"):
        with pytest.raises(InputError, match=rf"no language model .*{name}: {cure}"):
            causal_lm.open_model(tmp_path / name)
    with pytest.raises(InputError, match=r"has no config\.json and 0 \.gguf files: pass a model or one file"):
        causal_lm.open_model(tmp_path)


def test_a_gguf_file_asks_for_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", lambda module: module != "gguf")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    for path in (tmp_path, tmp_path / "model.gguf"):
        with pytest.raises(InputError, match=r"gguf is not installed: pip install 'tithe\[lm\]'"):
            causal_lm.open_model(path)


def test_a_gguf_file_is_loaded_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "require", lambda module, extra: None)
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    for path in (tmp_path, tmp_path / "model.gguf"):
        assert causal_lm._place(path) == (tmp_path, {"gguf_file": "model.gguf"})
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match=r"2 \.gguf files"):
        causal_lm._place(tmp_path)


def test_what_is_no_causal_language_model_is_an_error(
    folder: Path, tiny_bert: Path, tiny_modernbert: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="so it is no causal language model: choose one"):
        causal_lm.open_model(tiny_bert, LENGTH)
    with pytest.raises(InputError, match="can't be opened: "):
        causal_lm.open_model(tiny_modernbert, LENGTH)
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="can't be opened: "):
        causal_lm.open_model(broken, LENGTH)


def test_more_tokens_than_positions_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match=r"max_length 49 is more than the 48 positions of .*: set it to 48 or less"):
        causal_lm.open_model(folder, max_length=49)


def test_a_model_counts_by_its_content_wherever_it_is(
    rows: Path, tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Perplexities are cached: another model in the place of the first one has its own."""
    from transformers import GPT2Config, GPT2LMHeadModel

    def write(folder: Path, seed: int) -> None:
        size = _tokenizer(folder, starts=False)
        sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 512}
        ids = {"vocab_size": size, "bos_token_id": 1, "eos_token_id": 2}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            GPT2LMHeadModel(GPT2Config(**ids, **sizes, initializer_range=0.3)).save_pretrained(folder)

    def perplexities(folder: Path) -> tuple[np.ndarray, str]:
        caplog.clear()
        with caplog.at_level("INFO", "tithe"):
            found = select(rows, "perplexity", language_model=str(folder), encoder=str(tiny_bert), max_length=32)
        return found.pool.perplexity, found.code["language_model_sha256"]

    write(tmp_path / "lm", 0)
    first_N, first = perplexities(tmp_path / "lm")
    shutil.copytree(tmp_path / "lm", tmp_path / "copy")
    again_N, again = perplexities(tmp_path / "copy")
    assert (again_N == first_N).all() and again == first and "computing" not in caplog.text
    write(tmp_path / "lm", 1)
    other_N, other = perplexities(tmp_path / "lm")
    assert not np.allclose(other_N, first_N) and other != first
