"""The text task against real tiny encoders: batches, the cache of tokens, the loss, identity, saving."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from support.encoders import copied
from support.text_tasks import TEXTS, data, logits, opened
from tithe import storage
from tithe.tasks import text

FOLDERS = ["tiny_bert", "tiny_modernbert"]


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    """Each of the two encoders in turn."""
    return request.getfixturevalue(request.param)


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


# ---- the cache of tokens


def entries() -> dict[str, int]:
    """The inode of every cached array: writing one again gives it another."""
    return {p.parent.name: p.stat().st_ino for p in (storage.cache_dir() / "tokens").glob("*/tokens.npy")}


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
    path = next((storage.cache_dir() / "tokens").glob("*/tokens.npy"))
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


@pytest.mark.parametrize("cached", [False, True])
def test_the_tokens_that_are_cut_off_are_counted(tiny_bert: Path, tmp_path: Path, cached: bool) -> None:
    rows = data(tmp_path, ["goal " * 100, "goal team", "moon " * 9, "moon star cup"])
    task = opened(tiny_bert, max_length=8)
    if cached:
        task.encode(rows)
    examples = task.encode(rows)
    assert examples.uncut.tolist() == [102, 4, 11, 5] and examples.lengths.tolist() == [8, 4, 8, 5]
    assert examples.take(np.array([2, 0])).uncut.tolist() == [11, 102]
    assert task.examples(rows.inputs()).uncut.tolist() == [102, 4, 11, 5]


def test_using_a_tokenizer_does_not_change_its_identity(tiny_bert: Path) -> None:
    task = opened(tiny_bert)
    before = task.fingerprint()
    task.tokenizer(TEXTS, padding=True, truncation=True, max_length=4)
    assert task.fingerprint() == before


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
    assert opened(copied(tiny_bert, tmp_path / "elsewhere")).fingerprint() == opened(tiny_bert).fingerprint()


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
    others = [opened(tiny_bert).fingerprint(), opened(tiny_bert, head="mlp", max_length=8).fingerprint()]
    assert opened(tiny_bert, **change).fingerprint() not in others


@pytest.mark.parametrize("change", [{"num_hidden_layers": 1}, {"hidden_size": 64}, {"vocab_size": 99}])
def test_identity_tells_encoders_apart(tiny_bert: Path, tmp_path: Path, change: dict[str, int]) -> None:
    assert opened(copied(tiny_bert, tmp_path / "other", **change)).fingerprint() != opened(tiny_bert).fingerprint()


def test_identity_does_not_depend_on_what_a_linear_head_ignores(tiny_bert: Path) -> None:
    assert opened(tiny_bert, hidden_dim=9).fingerprint() == opened(tiny_bert).fingerprint()


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

    again = text.restore(task.run, tmp_path / "kept", task.fingerprint())
    rebuilt = again.build(3, seed=99)
    rebuilt.load_state_dict(weights)
    assert {p.dtype for p in rebuilt.parameters()} == {torch.float32}
    assert again.fingerprint() == task.fingerprint()
    found = logits(rebuilt, again.examples(TEXTS).collate(np.arange(4)))
    assert torch.equal(found, expected)
