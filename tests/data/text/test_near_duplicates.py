"""Near copies of texts: the answers of a search over all pairs, and what a report and a warning make of them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from support.texts import write_rows
from tithe import config, data
from tithe.data import grouping
from tithe.data.splits import Splits
from tithe.data.text import bands, near_duplicates

NOUNS = ["river", "stone", "lamp", "garden", "letter", "window", "bridge", "winter", "paper", "engine", "copper"]

TWENTY = " ".join(map(str, range(20)))


def sentence(rng: np.random.Generator, words: int) -> list[str]:
    return [str(word) for word in rng.choice(NOUNS, words)]


def changed(words: list[str], at: int) -> list[str]:
    return [*words[:at], "другое", *words[at + 1 :]]


def load(path: Path, texts: list[str], labels: list[str] | None = None) -> Splits:
    labels = labels or [("a", "b")[i % 2] for i in range(len(texts))]
    return data.load(config.Data(path=str(write_rows(path / "rows.parquet", texts, labels))), seed=0)


def test_other_rows_of_a_file_have_groups_of_their_own(tmp_path: Path) -> None:
    rows = load(tmp_path, [*([f"{TWENTY} {end}" for end in "ab"]), *(f"text {i}" for i in range(18))]).rows
    assert len(near_duplicates.groups_of(rows)) == len(rows) == 20
    assert len(np.unique(near_duplicates.groups_of(rows))) == 19
    assert len(near_duplicates.groups_of(rows.take(np.arange(5, 12)))) == 7


def pairs_by_definition(texts: list[str]) -> set[tuple[int, int]]:
    def triples(text: str) -> set[tuple[str, ...]]:
        words = re.findall(r"\w+", text.lower())
        return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}

    sets = list(map(triples, texts))
    couples = itertools.combinations(range(len(texts)), 2)
    return {(a, b) for a, b in couples if len(sets[a] & sets[b]) >= 0.7 * len(sets[a] | sets[b])}


def test_what_is_found_is_what_a_search_over_all_pairs_finds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = []
    for _ in range(60):
        words = sentence(rng, int(rng.integers(1, 60)))
        texts.append(" ".join(words))
        for _ in range(rng.integers(0, 4)):  # one to three words become others, and one is added
            for at in rng.integers(0, len(words), rng.integers(1, 4)):
                words = changed(words, int(at))
            texts.append(" ".join([*words, str(len(texts))]))
    everything = load(tmp_path, texts).rows
    kept = everything.inputs()
    expected = pairs_by_definition(kept)
    assert 20 < len(expected) < 200
    joined = grouping.connected_components(len(kept), expected)
    assert near_duplicates.groups_of(everything).tolist() == joined.tolist()


COPIES = {
    "case and punctuation": ("The lamp, by the river!", "the LAMP by the river."),
    "one word in twenty": (TWENTY, TWENTY.replace(" 19", " x")),
    "short": ("Good.", "good!"),
    "two words": ("Very good", "very, good"),
    "Russian": ("Лампа стоит у самой реки", "лампа стоит у самой реки!"),
}
OTHERS = {
    "two words in twenty": (
        " ".join(map(str, range(20))),
        " ".join(["x" if i in (6, 13) else str(i) for i in range(20)]),
    ),
    "another order": ("the lamp by the river of stone", "stone of river the by lamp the"),
    "short": ("good film", "good films"),
    "a beginning": ("the lamp by the river", "the lamp by the river and all the letters of that winter"),
    "marks": ("!!!", "???"),
}


@pytest.mark.parametrize("one, other", COPIES.values(), ids=COPIES)
def test_near_copies(one: str, other: str, tmp_path: Path) -> None:
    found = near_duplicates.groups_of(load(tmp_path, [one, *map(str, range(100, 120)), other]).rows)
    assert found.tolist() == [*range(21), 0]


@pytest.mark.parametrize("one, other", OTHERS.values(), ids=OTHERS)
def test_no_near_copies(one: str, other: str, tmp_path: Path) -> None:
    found = near_duplicates.groups_of(load(tmp_path, [one, *map(str, range(100, 120)), other]).rows)
    assert found.tolist() == [*range(22)]


def test_a_chain_of_near_copies_is_one_group(tmp_path: Path) -> None:
    words = sentence(np.random.default_rng(1), 40)
    chain = [words]
    for at in (3, 12, 21, 30):
        chain.append(changed(chain[-1], at))
    texts = [" ".join(words) for words in chain]
    assert (0, 4) not in pairs_by_definition(texts)
    splits = load(tmp_path, [*texts, *map(str, range(100, 120))])
    assert near_duplicates.groups_of(splits.rows)[:6].tolist() == [0, 0, 0, 0, 0, 1]
    assert splits.report["near_duplicates"] == {
        "groups": 1,
        "rows": 5,
        "of_different_classes": 1,
        "examples": [[0, 1, 2, 3]],
    }


def test_many_chunks_give_the_groups_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    texts = [" ".join(sentence(rng, 30)) for _ in range(20)]
    everything = load(tmp_path, [*texts, *(f"{text} end" for text in texts)]).rows
    whole = near_duplicates.find_groups(everything, tmp_path)
    assert whole.tolist() == [*range(20), *range(20)]
    for module, size in ((near_duplicates, "_CHUNK"), (near_duplicates, "_AT_ONCE"), (bands, "_AT_ONCE")):
        monkeypatch.setattr(module, size, 7)
    monkeypatch.setattr(bands, "_IN_CACHE", 64)
    assert near_duplicates.find_groups(everything, tmp_path).tolist() == whole.tolist()


def test_many_copies_of_one_text_cost_their_number_and_not_its_square(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = sentence(np.random.default_rng(4), 60)
    texts = [" ".join([*words[:at], f"x{at}{i}", *words[at + 1 :]]) for at in range(60) for i in range(50)]
    rows, compared = load(tmp_path, texts).rows, []
    similar = near_duplicates._similar
    monkeypatch.setattr(
        near_duplicates, "_similar", lambda w, pairs: (compared.append(len(pairs)), similar(w, pairs))[1]
    )
    assert not near_duplicates.find_groups(rows, tmp_path).any()
    assert len(texts) - 1 <= sum(compared) < 2 * len(texts)


def test_the_groups_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {i} of the lamp by the river" for i in range(30)]
    first = load(tmp_path, texts).report
    monkeypatch.setattr(near_duplicates, "find_groups", lambda *_: pytest.fail("computed again"))
    assert load(tmp_path, texts).report == first


def test_what_training_has_nearly_seen_is_counted_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(3)
    texts = [" ".join(sentence(rng, 30)) for _ in range(100)]
    alone = load(tmp_path, texts)
    assert alone.report["splits"]["near_copies_in_train"] == {"val": 0, "test": 0} and not caplog.records
    twice = [*texts, *(f"{text} end" for text in texts)]
    labels = ["a", "b"] * 100
    splits = load(tmp_path, twice, labels)
    group_N = near_duplicates.groups_of(splits.rows)
    seen = splits.report["splits"]["near_copies_in_train"]
    for name, rows in (("val", splits.val), ("test", splits.test)):
        assert seen[name] == sum(group_N[row] in group_N[splits.split.train] for row in rows) > 0
    counts = f"{seen['test']} of {len(splits.test)} test rows"
    said = f"{counts} are near-duplicates of training rows: their scores are optimistic"
    assert [record.getMessage() for record in caplog.records][-1] == said
