"""The text task against real tiny encoders: batches, pooling, heads, the cache of tokens, errors, saving."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conftest import make_texts, write_rows
from tithe import config, devices, records, tensors, trainer
from tithe.classifier import Classifier
from tithe.data import Dataset, ingest
from tithe.errors import InputError
from tithe.tasks import text
from tithe.tasks.text import Text

TEXTS = ["goal", "the team and the coach of the cup", "rocket to the moon", "a star of the season was new"]
FOLDERS = ["tiny_bert", "tiny_modernbert"]


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    """Each of the two encoders in turn."""
    return request.getfixturevalue(request.param)


def opened(folder: Path, **model: object) -> Text:
    return text.open_task(
        config.parse({"data": {"path": "unread"}, "model": {"encoder": str(folder), "max_length": 32, **model}})
    )


def copied(folder: Path, to: Path, **changes: object) -> Path:
    """A copy of an encoder's folder whose configuration says something else."""
    shutil.copytree(folder, to)
    path = to / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return to


def data(tmp_path: Path, texts: list[str] | None = None) -> Dataset:
    found, labels = make_texts(20) if texts is None else (texts, ["a", "b"] * (len(texts) // 2))
    return ingest(config.Data(path=str(write_rows(tmp_path / "some.parquet", found, labels))))[0]


def logits(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(batch)


# ---- batches


def test_batches_are_those_of_the_tokenizer(folder: Path) -> None:
    from transformers import AutoTokenizer

    examples = opened(folder).examples(TEXTS)
    batch = examples.collate(np.arange(4))
    expected = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    assert examples.lengths.tolist() == expected["attention_mask"].sum(dim=1).tolist()


def test_a_batch_without_padding_has_no_mask(tiny_bert: Path) -> None:
    examples = opened(tiny_bert).examples(["goal team", "moon star", "cup"])
    assert set(examples.collate(np.array([0, 1]))) == {"input_ids", "labels"}
    assert examples.collate(np.array([0, 2]))["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]


def test_a_view_keeps_rows_labels_and_ids_together(tiny_bert: Path, tmp_path: Path) -> None:
    rows = data(tmp_path)
    task = opened(tiny_bert)
    view = task.encode(rows).take(np.array([7, 3, 3])).take(np.array([2, 0]))
    assert view.ids.tolist() == rows.ids[[3, 7]].tolist()
    batch = view.collate(np.arange(2))
    assert batch["labels"].tolist() == rows.labels[[3, 7]].tolist()
    alone = task.examples([rows.inputs()[i] for i in (3, 7)]).collate(np.arange(2))
    assert torch.equal(batch["input_ids"], alone["input_ids"])


def test_long_texts_are_cut_at_max_length_and_keep_their_end_token(tiny_bert: Path) -> None:
    task = opened(tiny_bert, max_length=8)
    examples = task.examples(["goal " * 100, "goal"])
    assert examples.lengths.tolist() == [8, 3]
    assert examples.collate(np.array([0]))["input_ids"][0, -1] == task.tokenizer.sep_token_id


@pytest.mark.parametrize("special_tokens", [True, False])
def test_an_empty_text_can_be_predicted(tiny_bert: Path, tmp_path: Path, special_tokens: bool) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    home = copied(tiny_bert, tmp_path / "encoder")
    if not special_tokens:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(home)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A", special_tokens=[])
        tokenizer.save_pretrained(home)
    task = opened(home)
    examples = task.examples(["", "  \n", "goal team win"])
    assert examples.lengths.tolist() == ([2, 2, 5] if special_tokens else [1, 1, 3])
    found = logits(task.build(2, seed=0), examples.collate(np.arange(3)))
    assert found.shape == (3, 2) and found.isfinite().all()


# ---- pooling


class States(nn.Module):
    """An encoder whose state of token i is (i, i squared)."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> object:
        states = torch.stack([input_ids, input_ids**2], dim=-1).float()
        return type("Output", (), {"last_hidden_state": states})


@pytest.mark.parametrize(
    ("pooling", "masked", "expected"),
    [
        ("mean", True, [[2.0, 14 / 3], [4.0, 16.0]]),
        ("mean", False, [[2.0, 14 / 3], [6.0, 44.0]]),
        ("cls", True, [[1.0, 1.0], [4.0, 16.0]]),
    ],
)
def test_pooling_gives_the_known_vectors(pooling: str, masked: bool, expected: list[list[float]]) -> None:
    batch = {"input_ids": torch.tensor([[1, 2, 3], [4, 4, 10]])}
    if masked:
        batch["attention_mask"] = torch.tensor([[1, 1, 1], [1, 1, 0]])
    found = Classifier(States(), pooling, nn.Identity()).embed(batch)
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("attention", ["auto", "sdpa", "eager"])
def test_padding_does_not_change_an_embedding(folder: Path, pooling: str, attention: str) -> None:
    task = opened(folder, pooling=pooling, attention=attention)
    model = task.build(2, seed=0).eval()
    examples = task.examples(TEXTS)
    with torch.no_grad():
        together = model.embed(examples.collate(np.arange(4)))
        alone = torch.cat([model.embed(examples.collate(np.array([i]))) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize(("of_cls", "expected"), [(True, "cls"), (False, "mean")])
def test_auto_pooling_is_what_sentence_transformers_says(
    tiny_modernbert: Path, tmp_path: Path, of_cls: bool, expected: str
) -> None:
    home = copied(tiny_modernbert, tmp_path / "encoder", classifier_pooling="mean" if of_cls else "cls")
    stated = {"pooling_mode_cls_token": of_cls, "pooling_mode_mean_tokens": not of_cls}
    records.write_json(home / "1_Pooling/config.json", stated)
    assert opened(home).pooling == expected
    assert opened(home, pooling="mean" if of_cls else "cls").pooling != expected


@pytest.mark.parametrize("expected", ["cls", "mean"])
def test_auto_pooling_is_what_a_modernbert_says(tiny_modernbert: Path, tmp_path: Path, expected: str) -> None:
    assert opened(copied(tiny_modernbert, tmp_path / "encoder", classifier_pooling=expected)).pooling == expected


def test_auto_pooling_of_an_encoder_that_says_nothing_is_the_mean(tiny_bert: Path) -> None:
    assert opened(tiny_bert).pooling == "mean"


# ---- the network


def test_heads_have_the_shapes_asked_for(tiny_bert: Path) -> None:
    def shapes(**model: object) -> list[tuple[int, ...]]:
        head = opened(tiny_bert, **model).build(5, seed=0).head
        return [tuple(p.shape) for p in head.parameters()]

    assert shapes(head="linear") == [(5, 32), (5,)]
    assert shapes(head="mlp", hidden_dim=7) == [(7, 32), (7,), (5, 7), (5,)]
    head = opened(tiny_bert, head="mlp", dropout=0.3).build(5, seed=0).head
    assert [module.p for module in head if hasattr(module, "p")] == [0.3, 0.3]


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("classes", [2, 50])
def test_the_loss_starts_near_ln_of_the_classes(folder: Path, head: str, classes: int) -> None:
    task = opened(folder, head=head)
    batch = task.examples(TEXTS).collate(np.arange(4))
    batch["labels"] = torch.tensor([0, 1, 0, 1])
    loss = task.criterion()(logits(task.build(classes, seed=0), batch), batch) / 4
    assert float(loss) == pytest.approx(math.log(classes), abs=0.2)


def test_the_seed_decides_the_head_and_nothing_else(tiny_bert: Path) -> None:
    task = opened(tiny_bert, head="mlp")
    one, same, other = (task.build(3, seed) for seed in (1, 1, 2))

    def sha(module: nn.Module) -> str:
        return tensors.sha256_of_all(module.state_dict())

    assert sha(one.head) == sha(same.head) != sha(other.head)
    assert sha(one.encoder) == sha(other.encoder)


def test_building_leaves_the_callers_random_numbers_alone(tiny_bert: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    opened(tiny_bert).build(3, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_an_encoder_given_by_its_path_trains(folder: Path, tmp_path: Path) -> None:
    task = opened(folder)
    model = task.build(2, seed=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settings = config.Train(epochs=1, batch_size=8, precision="no", device="cpu")
    steps = trainer.fit(model, task.criterion(), task.encode(data(tmp_path)), settings, 0, devices.accelerator("cpu"))
    assert next(steps).batch_loss == pytest.approx(math.log(2), abs=0.2)
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    still = set(before) - moved
    assert "head.1.weight" in moved and not still - {n for n, p in model.named_parameters() if not p.any()}
    assert not any("pooler" in name for name in before)


def test_attentions_are_those_asked_for_and_agree(folder: Path) -> None:
    found = {}
    for attention in ("auto", "eager", "sdpa"):
        task = opened(folder, attention=attention)
        model = task.build(3, seed=0)
        assert attention in ("auto", model.encoder.config._attn_implementation)
        found[attention] = logits(model, task.examples(TEXTS).collate(np.arange(4)))
    torch.testing.assert_close(found["eager"], found["sdpa"], rtol=0, atol=1e-5)
    torch.testing.assert_close(found["eager"], found["auto"], rtol=0, atol=1e-5)


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
    from transformers import T5Config

    home = copied(tiny_bert, tmp_path / "t5")
    T5Config(d_model=32, num_layers=1, num_heads=2, d_ff=32).save_pretrained(home)
    return {"encoder": str(home)}


def too_long(tiny_bert: Path, tmp_path: Path) -> dict[str, object]:
    return {"encoder": str(tiny_bert), "max_length": 65}


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
        (too_long_for_roberta, "65 is more than the 64 positions"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_one_line(
    tiny_bert: Path, tmp_path: Path, wrong: Callable[[Path, Path], dict[str, object]], says: str
) -> None:
    with pytest.raises(InputError, match=says) as error:
        text.open_task(config.parse({"data": {"path": "unread"}, "model": wrong(tiny_bert, tmp_path)}))
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


# ---- the cache of tokens


def entries() -> dict[str, int]:
    """The inode of every cached array: writing one anew gives it another."""
    return {p.parent.name: p.stat().st_ino for p in (records.cache_dir() / "tokens").glob("*/tokens.npy")}


def test_texts_are_tokenised_once(tiny_bert: Path, tmp_path: Path) -> None:
    rows, ticks = data(tmp_path), []
    first = opened(tiny_bert).encode(rows, ticks.append)
    there = entries()
    second = opened(tiny_bert).encode(rows, ticks.append)
    assert entries() == there and len(there) == 1
    assert ticks == [len(rows), len(rows)]
    assert isinstance(second.tokens, np.memmap)
    assert np.array_equal(first.tokens, second.tokens) and np.array_equal(first.offsets, second.offsets)
    fresh = opened(tiny_bert).examples(rows.inputs())
    assert np.array_equal(second.tokens, fresh.tokens)


def test_a_damaged_cache_entry_is_made_anew(tiny_bert: Path, tmp_path: Path) -> None:
    rows = data(tmp_path)
    expected = np.array(opened(tiny_bert).encode(rows).tokens)
    path = next((records.cache_dir() / "tokens").glob("*/tokens.npy"))
    path.write_bytes(path.read_bytes()[:-4])
    assert np.array_equal(opened(tiny_bert).encode(rows).tokens, expected)


def test_another_length_tokenizer_or_data_has_an_entry_of_its_own(tiny_bert: Path, tmp_path: Path) -> None:
    rows = data(tmp_path)
    opened(tiny_bert).encode(rows)
    opened(tiny_bert, max_length=16).encode(rows)
    assert len(entries()) == 2
    home = copied(tiny_bert, tmp_path / "encoder")
    opened(home).encode(rows)
    assert len(entries()) == 2, "the same tokenizer elsewhere is the same tokenizer"
    path = home / "tokenizer.json"
    state = json.loads(path.read_text())
    state["normalizer"]["lowercase"] = not state["normalizer"]["lowercase"]
    path.write_text(json.dumps(state))
    opened(home).encode(rows)
    opened(tiny_bert).encode(rows.take(np.arange(10)))
    assert len(entries()) == 4


def test_using_a_tokenizer_does_not_change_its_identity(tiny_bert: Path) -> None:
    task = opened(tiny_bert)
    before = task.identity()
    task.tokenizer(TEXTS, padding=True, truncation=True, max_length=4)
    assert task.identity() == before


# ---- the loss


def test_the_criterion_gives_the_textbook_numbers(tiny_bert: Path) -> None:
    given = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0]])
    labels = torch.tensor([0, 2])
    minus_log_p = -torch.log_softmax(given, dim=1)
    task = opened(tiny_bert)
    batch = {"labels": labels}
    plain = minus_log_p[0, 0] + minus_log_p[1, 2]
    torch.testing.assert_close(task.criterion()(given, batch), plain)
    smoothed = 0.9 * plain + 0.1 * minus_log_p.mean(dim=1).sum()
    torch.testing.assert_close(task.criterion(0.1)(given, batch), smoothed)
    weights = np.array([0.5, 1.0, 2.0], dtype=np.float32)
    weighted = 0.5 * minus_log_p[0, 0] + 2.0 * minus_log_p[1, 2]
    torch.testing.assert_close(task.criterion(0.0, weights)(given, batch), weighted)


def test_the_criterion_computes_in_float32_and_sums_over_rows(tiny_bert: Path) -> None:
    loss = opened(tiny_bert).criterion()
    one = {"labels": torch.tensor([1])}
    row = torch.tensor([[0.25, 1.0]], dtype=torch.bfloat16)
    found = loss(row.repeat(3, 1), {"labels": one["labels"].repeat(3)})
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, 3 * loss(row, one))


# ---- identity, saving


def test_identity_is_that_of_the_model_not_of_its_folder(tiny_bert: Path, tmp_path: Path) -> None:
    assert opened(copied(tiny_bert, tmp_path / "elsewhere")).identity() == opened(tiny_bert).identity()


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 16},
        {"pooling": "cls"},
        {"head": "mlp"},
        {"head": "mlp", "hidden_dim": 7},
    ],
)
def test_identity_tells_settings_apart(tiny_bert: Path, change: dict[str, object]) -> None:
    others = [opened(tiny_bert).identity(), opened(tiny_bert, head="mlp", max_length=8).identity()]
    assert opened(tiny_bert, **change).identity() not in others


@pytest.mark.parametrize("change", [{"num_hidden_layers": 1}, {"hidden_size": 64}, {"vocab_size": 99}])
def test_identity_tells_encoders_apart(tiny_bert: Path, tmp_path: Path, change: dict[str, int]) -> None:
    assert opened(copied(tiny_bert, tmp_path / "other", **change)).identity() != opened(tiny_bert).identity()


def test_identity_does_not_depend_on_what_a_linear_head_ignores(tiny_bert: Path) -> None:
    assert opened(tiny_bert, hidden_dim=9).identity() == opened(tiny_bert).identity()


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_a_saved_task_needs_nothing_of_its_origin(folder: Path, tmp_path: Path, stored: torch.dtype) -> None:
    from transformers import AutoModel

    home = copied(folder, tmp_path / "origin")
    AutoModel.from_pretrained(home).to(stored).save_pretrained(home)
    task = opened(home, head="mlp", pooling="cls")
    model = task.build(3, seed=4)
    batch = task.examples(TEXTS).collate(np.arange(4))
    expected, weights = logits(model, batch), model.state_dict()
    task.save(tmp_path / "kept")
    assert '"tithe"' not in (tmp_path / "kept/encoder/config.json").read_text()  # other programs read it too
    shutil.rmtree(home)

    again = text.restore(task.run, tmp_path / "kept", task.identity())
    rebuilt = again.build(3, seed=99)
    rebuilt.load_state_dict(weights)
    assert {p.dtype for p in rebuilt.parameters()} == {torch.float32}
    assert again.identity() == task.identity()
    found = logits(rebuilt, again.examples(TEXTS).collate(np.arange(4)))
    assert torch.equal(found, expected)
