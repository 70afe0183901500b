"""Splits of images that cross no source and no pair, keep those that are given, and hold generators out."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.image_sets import (
    PARTS,
    Row,
    account_adds_up,
    dropped,
    folder,
    generated,
    given,
    listed,
    load,
    paths_of,
    picture,
    rows_of,
    save,
)
from tithe import config, storage
from tithe.data import images
from tithe.errors import InputError

# ---- what stays together


@pytest.mark.parametrize("column", ["source_id", "pair_id"])
def test_no_source_and_no_pair_stands_in_two_splits(tmp_path: Path, column: str) -> None:
    rng = np.random.default_rng(3)
    rows = [
        {
            "path": f"{i}.png",
            "label": ("real", "fake")[i % 2],
            column: f"s{rng.integers(40)}",
            "generator": "abc"[i % 3],
        }
        for i in range(150)
    ]
    listed(tmp_path, rows)
    seen, count = set(), len({row[column] for row in rows})
    for seed in range(5):
        found = load(tmp_path, seed, val_ratio=0.2, test_ratio=0.2)
        parts = rows_of(found)
        sources = {part: {row[column.removesuffix("_id")] for row in rows} for part, rows in parts.items()}
        assert sum(len(found) for found in sources.values()) == len(set().union(*sources.values())) == count
        assert [abs(len(parts[part]) - size) <= 3 for part, size in zip(PARTS, (90, 30, 30), strict=True)] == [True] * 3
        assert parts["left_out"] == [] and found.report["splits"]["groups"] == count
        seen.add(found.split.hash)
    assert len(seen) == 5


# ---- splits that the data set has


def test_given_splits_stay_as_they_are(tmp_path: Path) -> None:
    listed(tmp_path, given({"train": 6, "val": 4, "test": 8}))
    for seed in (0, 1):
        found = paths_of(load(tmp_path, seed))
        assert {part: len(paths) for part, paths in found.items()} == {"train": 6, "val": 4, "test": 8, "left_out": 0}
        assert all(path.startswith(part) for part, paths in found.items() for path in paths)


def test_splits_that_are_folders_are_given_splits(tmp_path: Path) -> None:
    for number, (part, kind) in enumerate([(p, k) for p in ("train", "val") for k in ("ai", "nature")]):
        for i in range(10):
            save(tmp_path / f"sd/{part}/{kind}/{i}.png", picture(100 * number + i))
    found = paths_of(load(tmp_path, test_ratio=0.2))
    assert found["val"] == {f"sd/val/{kind}/{i}.png" for kind in ("ai", "nature") for i in range(10)}
    assert all(path.startswith("sd/train") for path in found["train"] | found["test"])
    assert (len(found["train"]), len(found["test"])) == (16, 4)


MISSING = [
    ({"train": 40, "val": 10}, {"train": 32, "val": 10, "test": 8}),
    ({"train": 40, "test": 10}, {"train": 36, "val": 4, "test": 10}),
    ({"train": 40}, {"train": 28, "val": 4, "test": 8}),
]


@pytest.mark.parametrize(("counts", "expected"), MISSING)
def test_a_split_that_is_missing_is_cut_out_of_train(
    tmp_path: Path, counts: dict[str, int], expected: dict[str, int]
) -> None:
    listed(tmp_path, given(counts))
    found = paths_of(load(tmp_path, val_ratio=0.1, test_ratio=0.2))
    assert {part: len(found[part]) for part in PARTS} == expected
    for part in set(counts) - {"train"}:
        assert all(path.startswith(part) for path in found[part])


def test_a_ratio_of_a_split_that_is_given_is_named_even_from_the_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listed(tmp_path, given({"train": 40, "val": 10}))
    for _ in range(2):
        caplog.clear()
        load(tmp_path, val_ratio=0.3, test_ratio=0.2)
        says = f"data.val_ratio 0.3 has no effect: {tmp_path} has its own splits"
        assert [line for line in caplog.messages if "has no effect" in line] == [says]
    caplog.clear()
    load(tmp_path, test_ratio=0.2)
    assert not any("has no effect" in line for line in caplog.messages)


def test_no_test_is_cut_where_none_is_asked_for(tmp_path: Path) -> None:
    listed(tmp_path, given({"train": 10, "val": 4}))
    assert len(load(tmp_path, test_ratio=0.0).test) == 0
    assert len(load(folder(tmp_path / "set"), test_ratio=0.0).test) == 0


def test_a_given_test_may_be_of_one_class(tmp_path: Path) -> None:
    rows = [
        *given({"train": 6, "val": 4}),
        *({"path": f"t{i}.png", "label": "fake", "split": "test"} for i in range(3)),
    ]
    assert len(load(listed(tmp_path, rows)).test) == 3


# ---- generators that are held out


def test_fakes_of_a_held_out_generator_are_only_tested_on(tmp_path: Path) -> None:
    listed(tmp_path, generated(40, {"gan": 20, "sd": 12, "vae": 8}))
    for seed in range(3):
        found = load(tmp_path, seed, hold_out=("sd", "vae"), val_ratio=0.2, test_ratio=0.1)
        parts = rows_of(found)
        fakes = {part: Counter(row["generator"] for row in rows if not row["label"]) for part, rows in parts.items()}
        assert fakes == {
            "train": {"gan": 14},
            "val": {"gan": 4},
            "test": {"gan": 2, "sd": 12, "vae": 8},
            "left_out": {},
        }
        reals = [sum(row["label"] for row in parts[part]) for part in PARTS]
        assert reals == [28, 8, 4] and parts["left_out"] == []


def test_a_photograph_whose_only_fakes_are_held_out_is_tested_on_too(tmp_path: Path) -> None:
    rows = [
        {"path": f"{i}_{kind}.png", "label": kind, "generator": ("gan", "sd")[i % 2], "pair_id": f"p{i}"}
        for i in range(40)
        for kind in ("real", "fake")
    ]
    listed(tmp_path, rows)
    for seed in range(3):
        parts = rows_of(load(tmp_path, seed, hold_out=("sd",)))
        assert {row["generator"] for part in ("train", "val") for row in parts[part]} == {"gan"}
        assert [len(parts[part]) for part in (*PARTS, "left_out")] == [32, 4, 44, 0]
        assert sum(row["label"] for row in parts["test"]) == 22


def test_where_a_photograph_has_other_fakes_the_held_out_ones_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"path": f"{i}_{generator}.png", "source_id": f"s{i}", "generator": generator}
        | {"label": "fake" if generator else "real"}
        for i in range(30)
        for generator in ("", "gan", "sd")
    ]
    listed(tmp_path, rows)
    for seed in range(3):
        found = load(tmp_path, seed, hold_out=("sd",), val_ratio=0.2, test_ratio=0.2)
        parts = rows_of(found)
        kinds = {part: Counter(row["generator"] for row in rows) for part, rows in parts.items()}
        both = {"unknown": 6, "gan": 6}
        assert kinds == {
            "train": {"unknown": 18, "gan": 18},
            "val": both,
            "test": {**both, "sd": 6},
            "left_out": {"sd": 24},
        }
        assert not {row["source"] for row in parts["test"]} & {row["source"] for row in parts["train"]}
        assert list(dropped(found).values()) == ["held_out"] * 24
        assert found.report["splits"]["generators"]["sd"] == {"fake": {"test": 6, "left_out": 24}}
        assert account_adds_up(found)


def test_validation_has_the_fakes_of_its_generators_alone_and_nothing_else_has_them(tmp_path: Path) -> None:
    listed(tmp_path, generated(40, {"sd": 12, "vae": 20, "gan": 20}))
    for seed in range(3):
        found = load(tmp_path, seed, validate_on=("sd",), val_ratio=0.2, test_ratio=0.2)
        parts = rows_of(found)
        fakes = {part: {row["generator"] for row in rows if row["label"] == 0} for part, rows in parts.items()}
        assert fakes == {"train": {"gan", "vae"}, "val": {"sd"}, "test": {"gan", "vae"}, "left_out": {"gan", "vae"}}
        assert sum(row["label"] == 0 for row in parts["val"]) == 12
        assert 6 <= sum(row["label"] == 1 for row in parts["val"]) <= 10 and account_adds_up(found)


def test_one_generator_validates_and_another_tests(tmp_path: Path) -> None:
    rows = generated(40, {"sd": 12, "vae": 20, "gan": 12})
    both = [{"path": f"both/{g}.png", "label": "fake", "generator": g, "source_id": "shared"} for g in ("sd", "gan")]
    listed(tmp_path, [row | {"source_id": row["path"]} for row in rows] + both)
    parts = rows_of(load(tmp_path, validate_on=("sd",), hold_out=("gan",), val_ratio=0.2, test_ratio=0.2))
    fakes = {part: {row["generator"] for row in rows if row["label"] == 0} for part, rows in parts.items()}
    assert fakes["train"] == {"vae"} and fakes["val"] == {"sd"} and fakes["test"] == {"gan", "vae"}


def test_given_validation_keeps_the_fakes_of_its_generators(tmp_path: Path) -> None:
    rows = [
        {"path": f"{part}/{g or 'real'}{i}.png", "label": "fake" if g else "real", "generator": g, "split": part}
        for part in PARTS
        for g in ("", "sd", "vae")
        for i in range(3)
    ]
    parts = rows_of(load(listed(tmp_path, rows), validate_on=("sd",)))
    fakes = {part: {row["generator"] for row in rows if row["label"] == 0} for part, rows in parts.items()}
    assert fakes["train"] == {"vae"} and fakes["val"] == {"sd"} and fakes["test"] == {"vae"}


def test_without_a_given_test_held_out_fakes_come_from_every_split(tmp_path: Path) -> None:
    for number, (generator, part) in enumerate([(g, p) for g in ("gan", "sd") for p in ("train", "val")]):
        for i in range(10):
            save(tmp_path / f"{generator}/{part}/ai/{i}.png", picture(100 * number + i))
            save(tmp_path / f"{generator}/{part}/nature/{i}.png", picture(100 * number + 50 + i))
    found = paths_of(load(tmp_path, hold_out=("sd",), test_ratio=0.2))
    both = {f"sd/{part}/ai/{i}.png" for part in ("train", "val") for i in range(10)}
    assert both < found["test"] and not found["left_out"]
    assert {path.rpartition("/")[0] for path in found["val"]} == {"gan/val/ai", "gan/val/nature", "sd/val/nature"}
    assert [len(found[part]) for part in PARTS] == [24, 30, 6 + 20]


@pytest.mark.parametrize("name", ["b", "\u200bb "])
def test_in_a_given_test_nothing_moves(tmp_path: Path, name: str) -> None:
    rows = [
        {"path": f"{part}{i}.png", "label": ("real", "fake")[i % 2], "split": part, "generator": ("a", "b")[i % 4 == 1]}
        for part in PARTS
        for i in range(8)
    ]
    parts = rows_of(load(listed(tmp_path, rows), hold_out=(name,)))
    assert [len(parts[part]) for part in (*PARTS, "left_out")] == [6, 6, 8, 4]
    assert {row["generator"] for row in parts["left_out"]} == {"b"}


# ---- sets that can't be split, as data


ONE = [{"path": f"{i}.png", "label": "fake"} for i in range(8)]
WRONG: dict[str, tuple[list[Row], dict[str, Any], str]] = {
    "one class": (ONE, {}, "fake images only: training needs both classes, add real ones"),
    "nothing usable": ([{"path": "a.png", "label": ""}], {}, "no usable image among 1 (missing_label 1)"),
    "two sources": (
        [{"path": f"{i}.png", "label": ("real", "fake")[i % 2], "source_id": i // 10} for i in range(20)],
        {},
        "the fake ones are in 2 independent groups (by source, pair and similarity): add others, or change test_ratio",
    ),
    "a source in two splits": (
        [row | {"source_id": "s1"} for row in given({"train": 4, "val": 4, "test": 4})],
        {},
        "source_id 's1' is in train and in val: put all of it into one split",
    ),
    "a pair in two splits": (
        [row | {"pair_id": row["path"][-5]} for row in given({"train": 4, "test": 4})],
        {},
        "pair_id '0' is in train and in test",
    ),
    "half a split": ([*given({"train": 4}), *ONE], {}, "8 of 12 images have no split: set it for all or for none"),
    "nothing to train on": (given({"val": 4, "test": 4}), {}, "no fake image for train"),
    "a given val of one class": (
        [*given({"train": 4, "test": 4}), {"path": "v.png", "label": "real", "split": "val"}],
        {},
        "no fake image for val",
    ),
    "an unknown generator": (
        generated(8, {"progan": 4, "sd": 4}),
        {"hold_out": ("prgan",)},
        "no fakes by 'prgan' (data.hold_out): did you mean 'progan'?",
    ),
    "no generator at all": ([*generated(8, {}), *ONE], {"hold_out": ("sd",)}, "choose one of unknown"),
    "all generators": (generated(9, {"sd": 9}), {"hold_out": ("sd",)}, "no fake image for train"),
}


@pytest.mark.parametrize(("rows", "settings", "says"), WRONG.values(), ids=list(WRONG))
def test_a_set_that_can_not_be_split_is_one_line(
    tmp_path: Path, rows: list[Row], settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(listed(tmp_path, rows), **settings)
    message = str(caught.value)
    assert says in message and str(tmp_path) in message and len(message.splitlines()) == 1
    assert list(storage.cache_dir().rglob(".partial*")) == []


def test_a_set_of_one_class_can_be_ingested_but_not_split(tmp_path: Path) -> None:
    settings = config.Data(path=str(listed(tmp_path, ONE)))
    dataset, labels, place = images.ingest(settings, config.Images())
    assert dataset.labels.tolist() == [0] * 8 and len(labels) == 2 and storage.broken_files(place) == []
