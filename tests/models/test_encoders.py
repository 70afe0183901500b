"""Encoders as they are published: what pooling and attention they have, and what can't be used, each in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from support.encoder_families import saved
from support.encoders import copied
from support.text_tasks import TEXTS, logits, opened
from tithe import config, storage
from tithe.errors import InputError
from tithe.models import encoders
from tithe.tasks import text

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built, and drop out, by the global generator

# ---- pooling


@pytest.mark.parametrize(("of_cls", "expected"), [(True, "cls"), (False, "mean")])
def test_auto_pooling_is_what_sentence_transformers_says(
    tiny_modernbert: Path, tmp_path: Path, of_cls: bool, expected: str
) -> None:
    home = copied(tiny_modernbert, tmp_path / "encoder", classifier_pooling="mean" if of_cls else "cls")
    stated = {"pooling_mode_cls_token": of_cls, "pooling_mode_mean_tokens": not of_cls}
    storage.write_json(home / "1_Pooling/config.json", stated)
    assert opened(home).pooling == expected
    assert opened(home, pooling="mean" if of_cls else "cls").pooling != expected


@pytest.mark.parametrize(
    ("stated", "expected", "said"),
    [
        ({"pooling_mode": "cls"}, "cls", ""),
        ({"pooling_mode": "mean"}, "mean", ""),
        ({"pooling_mode": ["cls"]}, "cls", ""),
        ({"pooling_mode": ["cls", "max"]}, "mean", "was trained with cls, max: using mean pooling instead"),
        ({"pooling_mode": "lasttoken"}, "mean", "was trained with lasttoken: using mean pooling instead"),
        ({"pooling_mode_lasttoken": True}, "mean", "was trained with pooling_mode_lasttoken: using mean"),
        ({"pooling_mode_cls_token": False}, "mean", ""),  # the library's own default
    ],
)
def test_auto_pooling_reads_both_formats_of_sentence_transformers(
    tiny_modernbert: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    stated: dict[str, object],
    expected: str,
    said: str,
) -> None:
    home = copied(tiny_modernbert, tmp_path / "encoder", classifier_pooling="mean" if expected == "cls" else "cls")
    storage.write_json(home / "1_Pooling/config.json", {"embedding_dimension": 32, "include_prompt": True, **stated})
    assert opened(home).pooling == expected
    assert said in caplog.text and bool(said) == bool(caplog.text)


def test_a_pooling_file_of_another_kind_is_one_line(tiny_modernbert: Path, tmp_path: Path) -> None:
    home = copied(tiny_modernbert, tmp_path / "encoder")
    storage.write_json(home / "1_Pooling/config.json", ["cls"])
    with pytest.raises(InputError, match=r"config.json does not say how states are pooled: .*model.pooling"):
        opened(home)


@pytest.mark.parametrize("expected", ["cls", "mean"])
def test_auto_pooling_is_what_a_modernbert_says(tiny_modernbert: Path, tmp_path: Path, expected: str) -> None:
    assert opened(copied(tiny_modernbert, tmp_path / "encoder", classifier_pooling=expected)).pooling == expected


@pytest.mark.parametrize(("stated", "expected"), [("late", "mean"), ("bos", "cls"), ("mean", "mean")])
def test_auto_pooling_of_a_eurobert_can_be_opened_again(tmp_path: Path, stated: str, expected: str) -> None:
    home = copied(saved("eurobert", tmp_path / "own"), tmp_path / "encoder", classifier_pooling=stated)
    task = opened(home)
    task.save(tmp_path / "kept")
    assert text.restore(task.run, tmp_path / "kept", task.fingerprint()).pooling == expected  # type: ignore[attr-defined]


def test_auto_pooling_of_an_encoder_that_says_nothing_is_the_mean(tiny_bert: Path) -> None:
    assert opened(tiny_bert).pooling == "mean"


# ---- the network


def test_attentions_are_those_asked_for_and_agree(folder: Path) -> None:
    found = {}
    for attention in ("auto", "eager", "sdpa"):
        task = opened(folder, attention=attention)
        model = task.build(3, seed=0)
        assert attention in ("auto", model.encoder.config._attn_implementation)
        found[attention] = logits(model, task.examples(TEXTS).collate(np.arange(4)))
    torch.testing.assert_close(found["eager"], found["sdpa"], rtol=0, atol=1e-5)
    torch.testing.assert_close(found["eager"], found["auto"], rtol=0, atol=1e-5)


def test_an_encoder_that_is_published_to_return_tuples_returns_states(tiny_bert: Path, tmp_path: Path) -> None:
    task = opened(copied(tiny_bert, tmp_path / "encoder", return_dict=False))
    expected, found = (
        logits(one.build(3, seed=0), one.examples(TEXTS).collate(np.arange(4))) for one in (opened(tiny_bert), task)
    )
    assert torch.equal(found, expected)


def test_weights_that_the_network_has_no_place_for_are_named(
    tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from safetensors.torch import load_file, save_file

    home = copied(tiny_bert, tmp_path / "encoder")
    weights = load_file(home / "model.safetensors")
    head = {"cls.predictions.bias": torch.zeros(3), "classifier.weight": torch.zeros(3, 32)}
    save_file(weights | head, home / "model.safetensors", metadata={"format": "pt"})
    opened(home).build(2, seed=0)
    assert "has no place" not in caplog.text
    relative = {"encoder.layer.0.attention.self.distance_embedding.weight": torch.zeros(7, 16)}
    save_file(weights | relative, home / "model.safetensors", metadata={"format": "pt"})
    opened(home).build(2, seed=0)
    assert "BertModel of transformers has no place for encoder.layer.0.attention.self.distance_embedding" in caplog.text


def test_weights_of_another_shape_are_one_line(tiny_bert: Path, tmp_path: Path) -> None:
    home = copied(tiny_bert, tmp_path / "encoder", type_vocab_size=1)
    with pytest.raises(
        InputError, match=r"token_type_embeddings.weight has shape \[2, 32\] in .*, and \[1, 32\] in"
    ) as e:
        opened(home).build(2, seed=0)
    assert len(str(e.value).splitlines()) == 1


# ---- errors, each one line


def nowhere(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    return {"encoder": str(tmp_path / "nowhere")}


def without_config(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    (tmp_path / "empty").mkdir()
    return {"encoder": str(tmp_path / "empty")}


def not_json(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    home = copied(tiny_bert, tmp_path / "encoder")
    (home / "config.json").write_text("{")
    return {"encoder": str(home)}


def unknown_architecture(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    return {"encoder": str(copied(tiny_bert, tmp_path / "encoder", model_type="no-such-model"))}


def not_cached(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    return {"encoder": "nobody/never-published"}


def encoder_decoder(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    from transformers import BartConfig

    home = copied(tiny_bert, tmp_path / "bart")
    BartConfig(d_model=32, encoder_layers=1, decoder_layers=1).save_pretrained(home)
    return {"encoder": str(home)}


def too_long(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    return {"encoder": str(tiny_bert), "max_length": 65}


def too_short(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    return {"encoder": str(tiny_bert), "max_length": 2}


def too_long_for_roberta(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    return {"encoder": str(roberta(tiny_bert, tmp_path)), "max_length": 65}


def roberta(tiny_bert: Path, tmp_path: Path) -> Path:
    from transformers import RobertaConfig

    home = copied(tiny_bert, tmp_path / "roberta")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    RobertaConfig(vocab_size=64, max_position_embeddings=66, pad_token_id=1, **sizes).save_pretrained(home)
    return home


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (nowhere, "no folder"),
        (without_config, "has no config.json"),
        (not_json, "can't be opened"),
        (unknown_architecture, "can't be opened"),
        (not_cached, "'nobody/never-published' can't be opened"),
        (encoder_decoder, "is an encoder-decoder: choose"),
        (too_long, "65 is more than the 64 positions .* set it to 64 or less"),
        (too_short, "max_length 2 leaves no room beside the 2 special tokens of every text: set it to 3 or more"),
        (too_long_for_roberta, "65 is more than the 64 positions"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_one_line(
    tiny_bert: Path, tmp_path: Path, wrong: Callable[[Path, Path], dict[str, object]], says: str
) -> None:
    with pytest.raises(InputError, match=says) as error:
        text.open(config.parse({"data": {"path": "unread"}, "model": wrong(tiny_bert, tmp_path)}))
    assert len(str(error.value).splitlines()) == 1


def test_the_positions_counted_for_roberta_are_those_it_has(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    task = opened(roberta(tiny_bert, tmp_path), max_length=64)
    model = AutoModel.from_config(task.encoder)
    model(input_ids=torch.full((1, 64), 7))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, 65), 7))


def test_flash_attention_that_is_not_possible_is_refused_with_the_cure(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.utils.import_utils.is_flash_attn_2_available", lambda: False)
    with pytest.raises(InputError, match=r"flash-attn.*: set it to auto, sdpa or eager") as error:
        opened(tiny_bert, attention="flash_attention_2")
    assert len(str(error.value).splitlines()) == 1


def test_missing_weights_are_one_line(tiny_bert: Path, tmp_path: Path) -> None:
    home = copied(tiny_bert, tmp_path / "encoder")
    (home / "model.safetensors").unlink()
    with pytest.raises(InputError, match="can't be loaded") as error:
        opened(home).build(2, seed=0)
    assert len(str(error.value).splitlines()) == 1


def cut(home: Path) -> None:
    path = home / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def garbage(home: Path) -> None:
    (home / "model.safetensors").write_bytes(b"garbage" * 100)


def of_another_size(home: Path) -> None:
    path = home / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "intermediate_size": 128}))


def of_another_network(home: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = home / "model.safetensors"
    save_file({f"other.{name}": value for name, value in load_file(path).items()}, path, metadata={"format": "pt"})


@pytest.mark.parametrize("damage", [cut, garbage, of_another_size, of_another_network])
def test_weights_that_do_not_fit_are_one_line(tiny_bert: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    home = copied(tiny_bert, tmp_path / "encoder")
    damage(home)
    with pytest.raises(InputError) as error:
        opened(home).build(2, seed=0)
    assert len(str(error.value).splitlines()) == 1


# ---- dropout inside the encoder


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("tiny_bert", ("hidden_dropout_prob", "attention_probs_dropout_prob")),
        ("tiny_modernbert", ("embedding_dropout", "mlp_dropout", "attention_dropout")),
    ],
)
def test_encoder_dropout_is_every_dropout_inside_the_encoder(
    request: pytest.FixtureRequest, folder: str, names: tuple[str, ...]
) -> None:
    home = request.getfixturevalue(folder)
    own, changed = opened(home), opened(home, encoder_dropout=0.37)
    assert [getattr(changed.encoder, name) for name in names] == [0.37] * len(names)
    assert changed.encoder.classifier_dropout == own.encoder.classifier_dropout
    parts = {m.p for m in changed.build(2, 0).encoder.modules() if type(m).__name__ == "Dropout"}
    assert 0.37 in parts and 0.1 not in parts
    assert opened(home, encoder_dropout=None).encoder.to_dict() == own.encoder.to_dict()
    assert changed.fingerprint() == own.fingerprint(), "a checkpoint can be continued with another dropout"


def test_an_encoder_without_dropout_is_remarked(tiny_bert: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Dry:
        model_type = "dry"

        def to_dict(self) -> dict[str, object]:
            return {"hidden_size": 8, "classifier_dropout": 0.1, "layerdrop": 0.0}

    with caplog.at_level("WARNING", "tithe"):
        encoders.with_dropout(Dry(), 0.2)
    assert caplog.messages == ["model.encoder_dropout 0.2 has no effect: dry has no dropout"]
