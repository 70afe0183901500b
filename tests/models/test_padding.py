"""An encoder whose answer to a text depends on the padding beside a longer one is refused, or named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from support.encoders import copied
from support.text_tasks import TEXTS, logits, opened
from tithe.errors import InputError
from tithe.tasks import text

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built by the global generator


def encoder(name: str, tiny_bert: Path, to: Path) -> Path:
    """The folder of a tiny BERT with the network of another class."""
    import transformers

    home = copied(tiny_bert, to)
    words = opened(tiny_bert).encoder.vocab_size
    settings = getattr(transformers, f"{name}Config")(
        vocab_size=words, pad_token_id=0, max_position_embeddings=64, **SIZES
    )
    getattr(transformers, f"{name}Model")(settings).save_pretrained(home)
    return home


@pytest.mark.parametrize("freeze", ["none", "all"])
def test_an_encoder_without_a_mask_is_refused(tiny_bert: Path, tmp_path: Path, freeze: str) -> None:
    task = opened(encoder("FNet", tiny_bert, tmp_path / "encoder"), freeze=freeze)
    with pytest.raises(InputError, match=r"FNetModel ignores the attention mask.*: choose another encoder") as error:
        task.build(2, seed=0)
    assert len(str(error.value).splitlines()) == 1


def test_an_encoder_with_a_mask_in_part_is_named(
    tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened(encoder("ConvBert", tiny_bert, tmp_path / "encoder")).build(2, seed=0)
    assert "ConvBertModel follows the attention mask only in part: the answer to a text depends on" in caplog.text


@pytest.mark.parametrize("name", ["Bert", "DistilBert", "Electra", "Roberta", "GPT2", "Llama", "Longformer"])
def test_an_encoder_with_a_mask_or_that_only_looks_back_passes(tiny_bert: Path, tmp_path: Path, name: str) -> None:
    task = opened(encoder(name, tiny_bert, tmp_path / "encoder"))
    model = task.build(2, seed=0)
    examples = task.examples(TEXTS)
    with torch.no_grad():
        alone, beside = (model.eval()(examples.collate(np.arange(n)))[0] for n in (1, 4))
    torch.testing.assert_close(alone, beside, rtol=0, atol=1e-4)


def test_a_trained_one_can_be_used_with_a_warning(
    tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = opened(encoder("FNet", tiny_bert, tmp_path / "encoder"))
    task.save(tmp_path / "kept")
    text.restore(task.run, tmp_path / "kept", task.fingerprint()).build(2, seed=0)
    assert "FNetModel ignores the attention mask" in caplog.text


def test_looking_changes_neither_the_network_nor_random_numbers(tiny_bert: Path, tmp_path: Path) -> None:
    home = encoder("BigBird", tiny_bert, tmp_path / "encoder")
    task = opened(home)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    model = task.build(2, seed=0)
    assert torch.equal(torch.rand(3), expected)
    assert model.training and all(weight.requires_grad for weight in model.parameters())
    batch = task.examples(TEXTS).collate(np.arange(4))
    model(batch).sum().backward()


@pytest.mark.parametrize("name", ["GPT2", "Llama"])
def test_the_first_token_of_an_encoder_that_only_looks_back_is_not_pooled(
    tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    task = opened(encoder(name, tiny_bert, tmp_path / "encoder"), pooling="cls")
    with pytest.raises(InputError, match=f"first token of {name}Model knows nothing of .*: set it to mean") as error:
        task.build(2, seed=0)
    assert len(str(error.value).splitlines()) == 1
    task.save(tmp_path / "kept")
    text.restore(task.run, tmp_path / "kept", task.fingerprint()).build(2, seed=0)
    assert "it is the same for every text" in caplog.text


@pytest.mark.parametrize("name", ["Bert", "Roberta", "Longformer", "Electra"])
def test_the_first_token_of_an_encoder_that_looks_both_ways_is_pooled(
    tiny_bert: Path, tmp_path: Path, name: str
) -> None:
    model = opened(encoder(name, tiny_bert, tmp_path / "encoder"), pooling="cls").build(2, seed=0)
    assert model.pooling == "cls"


def test_what_was_read_before_does_not_change_an_answer(
    tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import transformers

    home = copied(tiny_bert, tmp_path / "encoder")
    settings = {**SIZES, "vocab_size": opened(tiny_bert).encoder.vocab_size, "block_size": 2, "num_random_blocks": 1}
    transformers.BigBirdModel(transformers.BigBirdConfig(**settings)).save_pretrained(home)
    caplog.set_level("INFO", "tithe")
    task = opened(home)
    model = task.build(2, seed=0)
    long, short = (task.examples([each]).collate(np.arange(1)) for each in ("the team of the cup " * 5, "goal"))
    before_1C, _, after_1C = (logits(model, batch) for batch in (long, short, long))
    assert torch.equal(before_1C, after_1C)
    assert "big_bird attends to all tokens (attention_type original_full)" in caplog.text
    task.save(tmp_path / "kept")
    caplog.clear()
    restored = text.restore(task.run, tmp_path / "kept", task.fingerprint())
    assert not caplog.text
    assert restored.encoder.attention_type == "original_full"  # type: ignore[attr-defined]


def test_an_encoder_that_fails_on_texts_is_one_line(tiny_bert: Path, tmp_path: Path) -> None:
    import transformers

    home = copied(tiny_bert, tmp_path / "encoder")
    settings = {**SIZES, "vocab_size": opened(tiny_bert).encoder.vocab_size, "segment_means_seq_len": 64}
    network = transformers.NystromformerModel(transformers.NystromformerConfig(**settings, num_landmarks=8))
    network.save_pretrained(home)  # it runs on 64 tokens alone
    with pytest.raises(InputError, match="NystromformerModel can't be run on texts") as error:
        opened(home).build(2, seed=0)
    assert len(str(error.value).splitlines()) == 1
