"""From image files to splits: what is left out and why, what stays together, what is read once and never again."""

import csv
import json
import logging
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tithe import config, data, records
from tithe.data import grouped, images
from tithe.errors import InputError, TitheError
from tithe.photos import checks, decode

Row = Mapping[str, Any]
PARTS = ("train", "val", "test")


def picture(number: int, side: int = 32) -> Any:
    """A smooth picture like no other."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side + 8), interpolation=cv2.INTER_CUBIC)


def save(path: Path, image: Any, *options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, options)
    return path


def folder(root: Path, count: int = 20, suffix: str = ".png") -> Path:
    """A folder of as many real images as fake ones."""
    for i in range(count):
        save(root / f"real/{i:03}{suffix}", picture(2 * i))
        save(root / f"fake/{i:03}{suffix}", picture(2 * i + 1))
    return root


def listed(root: Path, rows: Sequence[Row]) -> Path:
    """A CSV, and an image of its own for every path that is not there yet."""
    for number, row in enumerate(rows):
        if not (root / row["path"]).exists():
            save(root / row["path"], picture(number))
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        table.writerows(rows)
    return root


def load(path: Path, seed: int = 0, max_pixels: int = 64_000_000, **settings: Any) -> data.Splits:
    return images.load(config.Data(path=str(path), **settings), config.Images(max_pixels=max_pixels), seed)


def rows_of(splits: data.Splits) -> dict[str, list[dict[str, Any]]]:
    """All that is known of each image, by split; `left_out` holds those in none."""
    table = splits.everything.table.to_pylist()
    found = {part: [table[i] for i in getattr(splits.split, part)] for part in PARTS}
    inside = {row["input"] for rows in found.values() for row in rows}
    return {**found, "left_out": [row for row in table if row["input"] not in inside]}


def paths_of(splits: data.Splits) -> dict[str, set[str]]:
    return {part: {row["input"] for row in rows} for part, rows in rows_of(splits).items()}


def dropped(splits: data.Splits) -> dict[str, str]:
    return {line["path"]: line["reason"] for line in records.read_lines(splits.dropped)}


def account_adds_up(splits: data.Splits) -> bool:
    report, lines = splits.report, records.read_lines(splits.dropped)
    files = [line for line in lines if line["reason"] != "held_out"]
    ids = sorted([line["row"] for line in files] + splits.everything.ids.tolist())
    return bool(
        report["rows_read"] == report["rows_kept"] + sum(report["dropped"].values())
        and report["dropped"] == dict(Counter(line["reason"] for line in files))
        and report["rows_kept"] == len(splits.everything) == sum(report["classes"].values())
        and ids == list(range(report["rows_read"]))
        and report["splits"]["left_out"] == len(lines) - len(files)
    )


# ---- what becomes of a gallery


def test_a_folder_of_images_becomes_rows(tmp_path: Path) -> None:
    found = load(folder(tmp_path / "set"))
    everything = found.everything
    assert found.labels.names == ("fake", "real") and found.symbols == {}
    assert everything.inputs(0, 2) == ["fake/000.png", "fake/001.png"] and everything.inputs(39) == ["real/019.png"]
    assert everything.labels.tolist() == [0] * 20 + [1] * 20 and everything.ids.tolist() == list(range(40))
    assert [len(part) for part in (found.train, found.val, found.test)] == [32, 4, 4]
    for rows in (found.train, found.val, found.test):
        assert np.bincount(everything.labels[rows]).tolist() == [len(rows) // 2] * 2
    path = images.root(tmp_path / "set") / everything.inputs()[7]
    assert everything.column("sha256", 7, 8) == [records.sha256_file(path)]
    assert everything.take(np.array([3, 3])).column("width") == [32, 32] and everything.column("height", 39) == [40]
    assert everything.column("score", 0, 1) == everything.column("source", 0, 1) == everything.column("pair", 0, 1)
    assert account_adds_up(found)


def test_a_list_of_images_becomes_rows(tmp_path: Path) -> None:
    rows = [
        {"path": f"{i}.png", "label": "fake" if i % 2 else "real", "score": i / 100, "source_id": f"s{i // 2}"}
        | {"pair_id": f"p{i // 2}", "model": "sd" if i % 2 else "", "family": "diffusion" if i % 2 else ""}
        for i in range(20)
    ]
    for path in (listed(tmp_path, rows), tmp_path / "labels.csv"):
        found = load(path).everything
        assert images.root(path) == tmp_path
        assert found.column("score") == pytest.approx([i / 100 for i in range(20)])
        assert found.column("source")[:3] == ["s0", "s0", "s1"] and found.column("pair")[19] == "p9"
        assert found.column("generator")[:2] == ["unknown", "sd"] and found.column("family")[:2] == [None, "diffusion"]


def test_the_report_counts_what_there_is(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for i in range(10):
        save(root / f"sd/nature/{i}.jpg", picture(i, 64))
        save(root / f"sd/ai/{i}.png", picture(100 + i, 32))
        save(root / f"gan/ai/{i}.png", picture(200 + i, 16))
    found = load(root)
    report, splits = found.report, found.report["splits"]
    assert (report["file"], report["rows_read"], report["classes"]) == ("set", 30, {"fake": 20, "real": 10})
    assert report["formats"] == {"fake": {"PNG": 20}, "real": {"JPEG": 10}}
    assert report["sizes"] == {
        "width": {"min": 16, "median": 32, "max": 64},
        "height": {"min": 24, "median": 40, "max": 72},
    }
    assert splits["generators"] == {
        "gan": {"fake": {"train": 8, "val": 1, "test": 1}},
        "sd": {"fake": {"train": 8, "val": 1, "test": 1}, "real": {"train": 8, "val": 1, "test": 1}},
    }
    assert (splits["groups"], splits["largest_group"], splits["groups_in_two_splits"]) == (30, 1, 0)
    assert splits["sha256"] == found.split.hash and json.loads(json.dumps(report)) == report


def test_what_a_person_should_know_of_a_list_is_in_the_report_and_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tithe")
    found = load(listed(tmp_path, [{"path": f"{i}.png", "label": i % 2, "prompt": "x"} for i in range(20)]))
    remarks = [
        "labels.csv: columns that are not read: prompt",
        "labels.csv: of labels that are numbers 1 is read as real, 0 as fake",
    ]
    assert found.report["remarks"] == remarks and set(remarks) < set(caplog.messages)


# ---- what is left out


def truncated(path: Path) -> None:
    whole = save(path, picture(901)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def bomb(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((101, 100), dtype=np.uint8))


BAD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "truncated.jpg": ("truncated", truncated),
    "truncated.png": ("truncated", truncated),
    "empty.png": ("empty_file", lambda path: path.touch()),
    "words.png": ("not_an_image", lambda path: path.write_text("no pixels here")),
    "notes.txt": ("not_an_image", lambda path: path.write_text("no pixels here")),
    "bomb.png": ("too_large", bomb),
    "low.png": ("too_small", lambda path: save(path, np.zeros((7, 90, 3), dtype=np.uint8))),
    "narrow.png": ("too_small", lambda path: save(path, np.zeros((90, 7, 3), dtype=np.uint8))),
    "folder": ("not_an_image", lambda path: path.mkdir()),
    "gone.png": ("missing", lambda path: None),
}


def test_what_can_not_be_used_is_left_out_counted_and_listed(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    for name, (_, make) in BAD.items():
        make(tmp_path / "bad" / name)
    good = [{"path": f"{i}.png", "label": ("real", "fake")[i % 2]} for i in range(20)]
    bad = [{"path": f"bad/{name}", "label": "fake"} for name in BAD]
    with (listed(tmp_path, good) / "labels.csv").open("a") as file:
        file.write("".join(f"{row['path']},fake\n" for row in bad) + "x.png,\n")
    found = load(tmp_path, max_pixels=10_000)
    expected = {f"bad/{name}": reason for name, (reason, _) in BAD.items()} | {"x.png": "missing_label"}
    assert dropped(found) == expected
    assert found.report["dropped"]["truncated"] == 2 and found.report["rows_read"] == 20 + len(expected)
    assert found.everything.inputs() == [row["path"] for row in good]
    assert account_adds_up(found)
    assert "bad/bomb.png" not in dropped(load(tmp_path, max_pixels=10_100))


def test_the_smallest_image_is_one_of_eight_pixels(tmp_path: Path) -> None:
    save(folder(tmp_path, 6) / "real/small.png", picture(900)[:8, :8])
    assert dropped(load(tmp_path)) == {}


def test_copies_with_one_label_are_one_row(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 10)
    shutil.copy(root / "real/003.png", root / "real/copy.png")
    shutil.copy(root / "real/003.png", root / "real/000.PNG")
    found = load(root)
    assert dropped(found) == {"real/003.png": "duplicate", "real/copy.png": "duplicate"}
    assert found.report["classes"] == {"fake": 10, "real": 10} and account_adds_up(found)


def test_copies_with_two_labels_are_both_left_out(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 10)
    for name in ("fake/x.png", "real/y.png"):
        shutil.copy(root / "real/003.png", root / name)
    found = load(root)
    assert dropped(found) == dict.fromkeys(("fake/x.png", "real/003.png", "real/y.png"), "conflicting_label")
    assert account_adds_up(found)


def test_one_path_with_two_labels_is_a_conflict_too(tmp_path: Path) -> None:
    rows = [{"path": f"{i}.png", "label": ("real", "fake")[i % 2]} for i in range(12)]
    twice = [{"path": "./0.png", "label": "real"}, {"path": "1.png", "label": "real"}]
    found = load(listed(tmp_path, rows + twice))
    lines = [(line["row"], line["path"], line["reason"]) for line in records.read_lines(found.dropped)]
    assert lines == [
        (1, "1.png", "conflicting_label"),
        (12, "0.png", "duplicate"),
        (13, "1.png", "conflicting_label"),
    ]


def test_of_copies_in_given_splits_the_tested_one_stays(tmp_path: Path) -> None:
    rows = [
        {"path": f"{part}{i}.png", "label": ("real", "fake")[i % 2], "split": part} for part in PARTS for i in range(6)
    ]
    listed(tmp_path, rows)
    shutil.copy(tmp_path / "test0.png", tmp_path / "train0.png")
    shutil.copy(tmp_path / "test1.png", tmp_path / "val1.png")
    shutil.copy(tmp_path / "val2.png", tmp_path / "train2.png")
    found = load(tmp_path)
    assert dropped(found) == dict.fromkeys(("train0.png", "val1.png", "train2.png"), "duplicate")


# ---- what stays together


def test_a_value_that_stands_twice_binds_its_rows() -> None:
    assert list(grouped.alike(["a", None, "b", "a", None, "b", "c", "a"])) == [[0, 3, 7], [2, 5]]


JOINED = [
    (4, [], [0, 1, 2, 3]),
    (4, [[0, 2]], [0, 1, 0, 2]),
    (5, [[3, 4], [1, 3]], [0, 1, 2, 1, 1]),
    (6, [[4, 5], [2, 3], [5, 2], [0]], [0, 1, 2, 2, 2, 2]),
    (3, [[2, 1, 0]], [0, 0, 0]),
    (0, [], []),
]


@pytest.mark.parametrize(("count", "links", "groups"), JOINED)
def test_groups_known_answers(count: int, links: list[list[int]], groups: list[int]) -> None:
    assert grouped.joined(count, links).tolist() == groups


def test_groups_are_what_a_search_finds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        links = [rng.choice(40, rng.integers(1, 4), replace=False).tolist() for _ in range(rng.integers(0, 30))]
        near = np.eye(40, dtype=bool)
        for rows in links:
            near[np.ix_(rows, rows)] = True
        for _ in range(6):  # chains of up to 64 links
            near = near @ near
        found = grouped.joined(40, links)
        assert (near == (found[:, None] == found)).all()
        assert found[np.unique(found, return_index=True)[1]].tolist() == list(range(found.max() + 1))


def random_groups(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Groups, classes and strata of some hundred rows, of one make-up or of many."""
    count = int(rng.integers(30, 200))
    sizes = rng.choice([np.ones(count, int), np.full(count, 4), rng.integers(1, 9, count)])
    group_N = np.repeat(np.arange(count), sizes)
    strata = int(rng.integers(1, 6))
    label_N = rng.permutation(np.arange(len(group_N)) % 2)
    return group_N, label_N, 2 * rng.integers(0, strata, len(group_N)) + label_N


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.75, 0.25, 0.0), (0.9, 0.0, 0.1)])
def test_parts_get_their_shares_as_exactly_as_groups_allow(shares: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(1)
    for seed in range(6):
        group_N, label_N, stratum_N = random_groups(rng)
        part_N = grouped.divide(group_N, label_N, stratum_N, shares, np.zeros((3, 2), dtype=bool), seed)
        for group in np.unique(group_N):
            assert len(set(part_N[group_N == group])) == 1
        largest = np.bincount(group_N).max()
        for part, share in enumerate(shares):
            assert abs((part_N == part).sum() - share * len(part_N)) <= (largest + 1) / 2
            for label in (0, 1):
                counted = ((part_N == part) & (label_N == label)).sum()
                assert abs(counted - share * (label_N == label).sum()) <= largest
                assert (counted > 0) == (share > 0)


def test_groups_of_one_make_up_are_shared_out_to_a_group() -> None:
    group_N = np.repeat(np.arange(57), 4)
    stratum_N = np.tile([0, 1, 2, 4], 57)
    for seed in range(5):
        part_N = grouped.divide(group_N, stratum_N % 2, stratum_N, (0.7, 0.2, 0.1), np.zeros((3, 2), bool), seed)
        assert sorted(np.bincount(part_N).tolist()) in ([4 * 5, 4 * 12, 4 * 40], [4 * 6, 4 * 11, 4 * 40])


def test_a_large_group_goes_where_it_fits_and_the_rest_makes_up_for_it() -> None:
    group_N = np.concatenate([np.zeros(60, int), np.arange(1, 141)])
    label_N = np.arange(200) % 2
    for seed in range(10):
        part_N = grouped.divide(group_N, label_N, label_N, (0.8, 0.1, 0.1), np.zeros((3, 2), bool), seed)
        assert part_N[0] == 0 and np.bincount(part_N).tolist() == [160, 20, 20]


@pytest.mark.parametrize("groups", [[0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 4, 5]])
def test_the_smallest_sets_that_can_be_split_are(groups: list[int]) -> None:
    label_N = np.array([0, 1] * 3)
    for seed in range(10):
        part_N = grouped.divide(np.array(groups), label_N, label_N, (0.8, 0.1, 0.1), np.zeros((3, 2), bool), seed)
        assert [sorted(label_N[part_N == part]) for part in range(3)] == [[0, 1]] * 3


def test_another_seed_gives_other_parts_whatever_the_groups() -> None:
    rng = np.random.default_rng(2)
    for sizes in (np.ones(150, int), np.full(80, 3), rng.integers(1, 12, 100)):
        group_N = np.repeat(np.arange(len(sizes)), sizes)
        label_N = rng.integers(0, 2, len(group_N))
        parts = [
            grouped.divide(group_N, label_N, label_N, (0.8, 0.1, 0.1), np.zeros((3, 2), bool), seed)
            for seed in (1, 1, 2)
        ]
        assert (parts[0] == parts[1]).all()
        tested = parts[0] == 2
        assert (parts[2][tested] == 2).mean() < 0.5


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


def test_links_of_several_kinds_bind_together(tmp_path: Path) -> None:
    """a and b share a source, b and c a pair, c and d are copies of two sources, d and e look the same."""
    rows = [
        {"path": f"{i}.png", "label": ("real", "fake")[i % 2], "source_id": f"s{i}", "pair_id": ""} for i in range(30)
    ]
    save(tmp_path / "d.png", picture(500, 200))
    shutil.copy(tmp_path / "d.png", tmp_path / "c.png")
    save(tmp_path / "e.jpg", picture(500, 200), cv2.IMWRITE_JPEG_QUALITY, 80)
    bound = [
        {"path": "a.png", "label": "real", "source_id": "x", "pair_id": ""},
        {"path": "b.png", "label": "fake", "source_id": "x", "pair_id": "y"},
        {"path": "c.png", "label": "fake", "source_id": "z", "pair_id": "y"},
        {"path": "d.png", "label": "fake", "source_id": "u", "pair_id": ""},
        {"path": "e.jpg", "label": "real", "source_id": "v", "pair_id": ""},
    ]
    listed(tmp_path, rows + bound)
    for seed in range(3):
        found = load(tmp_path, seed, val_ratio=0.3, test_ratio=0.3)
        assert dropped(found) == {"d.png": "duplicate"}
        assert found.report["splits"]["largest_group"] == 4
        assert [len(part & {"a.png", "b.png", "c.png", "e.jpg"}) in (0, 4) for part in paths_of(found).values()] == [
            True
        ] * 4


def test_near_copies_are_reported_and_kept_together(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 12)
    for name, number in (("real/near.jpg", 0), ("fake/near.jpg", 2)):
        save(root / name, picture(number), cv2.IMWRITE_JPEG_QUALITY, 90)
    for seed in range(3):
        found = load(root, seed, val_ratio=0.3, test_ratio=0.3)
        assert found.report["near_duplicates"] == {
            "groups": 2,
            "images": 4,
            "of_both_classes": 1,
            "examples": [["fake/near.jpg", "real/001.png"], ["real/000.png", "real/near.jpg"]],
        }
        for one, other in found.report["near_duplicates"]["examples"]:
            assert any({one, other} <= part for part in paths_of(found).values())


def test_images_of_one_colour_are_not_near_copies(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 6)
    for value in range(5):
        save(root / f"real/flat{value}.png", np.full((16, 16, 3), 40 * value, dtype=np.uint8))
    assert load(root).report["splits"]["largest_group"] == 1


def test_copies_bind_the_sources_of_each(tmp_path: Path) -> None:
    """Of one colour, so that nothing but their bytes tells that they are the same."""
    for name in ("a.png", "b.png"):
        save(tmp_path / name, np.full((16, 16, 3), 90, dtype=np.uint8))
    rows = [
        {"path": f"{name}.png", "label": label, "source_id": source}
        for name, label, source in [("a", "real", "s"), ("b", "real", "t"), ("c", "fake", "s"), ("d", "fake", "t")]
    ]
    rest = [{"path": f"{i}.png", "label": ("real", "fake")[i % 2], "source_id": ""} for i in range(12)]
    found = load(listed(tmp_path, rows + rest))
    assert dropped(found) == {"b.png": "duplicate"} and found.report["splits"]["largest_group"] == 3


# ---- splits that the data set has


def given(counts: Mapping[str, int], **more: Any) -> list[Row]:
    return [
        {"path": f"{part}{i}.png", "label": ("real", "fake")[i % 2], "split": part} | more
        for part, count in counts.items()
        for i in range(count)
    ]


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


def test_near_copies_in_two_given_splits_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    listed(tmp_path, given({"train": 6, "val": 4, "test": 4}))
    image = cv2.imread(str(tmp_path / "train0.png"))
    save(tmp_path / "test0.png", image // 2 + 60)
    found = load(tmp_path)
    assert found.report["splits"]["groups_in_two_splits"] == 1
    assert "1 groups of near copies stand in two of the given splits" in caplog.text


# ---- generators that are held out


def generated(reals: int, fakes: Mapping[str, int], **more: Any) -> list[Row]:
    rows: list[Row] = [{"path": f"real/{i}.png", "label": "real"} for i in range(reals)]
    return rows + [
        {"path": f"{g}/{i}.png", "label": "fake", "generator": g} for g, count in fakes.items() for i in range(count)
    ]


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


def test_in_a_given_test_nothing_moves(tmp_path: Path) -> None:
    rows = [
        {"path": f"{part}{i}.png", "label": ("real", "fake")[i % 2], "split": part, "generator": ("a", "b")[i % 4 == 1]}
        for part in PARTS
        for i in range(8)
    ]
    parts = rows_of(load(listed(tmp_path, rows), hold_out=("b",)))
    assert [len(parts[part]) for part in (*PARTS, "left_out")] == [6, 6, 8, 4]
    assert {row["generator"] for row in parts["left_out"]} == {"b"}


# ---- sets that can't be split, as data

ONE = [{"path": f"{i}.png", "label": "fake"} for i in range(8)]
WRONG: dict[str, tuple[list[Row], dict[str, Any], str]] = {
    "one class": (ONE, {}, "fake images only: training on one class is refused, add real ones"),
    "nothing usable": ([{"path": "a.png", "label": ""}], {}, "no usable image among 1 (missing_label 1)"),
    "two sources": (
        [{"path": f"{i}.png", "label": ("real", "fake")[i % 2], "source_id": i // 10} for i in range(20)],
        {},
        "the fake ones are in 2 independent groups (by source, pair and look): add others, or change test_ratio",
    ),
    "a source in two splits": (
        [row | {"source_id": "s1"} for row in given({"train": 4, "val": 4, "test": 4})],
        {},
        "source_id 's1' stands in train and in val: put all of it into one split",
    ),
    "a pair in two splits": (
        [row | {"pair_id": row["path"][-5]} for row in given({"train": 4, "test": 4})],
        {},
        "pair_id '0' stands in train and in test",
    ),
    "half a split": ([*given({"train": 4}), *ONE], {}, "8 of 12 images have no split: give one for all of them"),
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
    assert list(records.cache_dir().rglob(".partial*")) == []


PATHS = [
    ("gone", None, "no images at "),
    ("notes.txt", None, "is neither a folder of images nor a CSV that lists them"),
    ("set", "image_foldr", "unknown galleries name 'image_foldr': did you mean 'image_folder'?"),
    ("set", "image_csv", "has no list"),
]


@pytest.mark.parametrize(("name", "reader", "says"), PATHS)
def test_a_path_that_is_no_gallery_is_one_line(tmp_path: Path, name: str, reader: str | None, says: str) -> None:
    folder(tmp_path / "set", 1)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError) as caught:
        load(tmp_path / name, reader=reader)
    assert says in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_set_of_one_class_can_be_ingested_but_not_split(tmp_path: Path) -> None:
    settings = config.Data(path=str(listed(tmp_path, ONE)))
    dataset, labels, place = images.ingest(settings, config.Images())
    assert dataset.labels.tolist() == [0] * 8 and len(labels) == 2 and records.broken_files(place) == []


def test_a_list_beside_folders_is_surer_than_they_are(tmp_path: Path) -> None:
    folder(tmp_path, 6)
    rows = [{"path": f"real/{i:03}.png", "label": ("real", "fake")[i % 2]} for i in range(6)]
    listed(tmp_path, rows)
    assert len(load(tmp_path).everything) == 6
    assert len(load(tmp_path, reader="image_folder").everything) == 12


# ---- what the files give away


@pytest.mark.parametrize(("suffix", "leaks"), [(".png", True), (".jpg", False)])
def test_a_format_for_each_class_is_warned_of(
    tmp_path: Path, suffix: str, leaks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(40):
        save(tmp_path / f"real/{i}.jpg", picture(i))
        save(tmp_path / f"fake/{i}{suffix}", picture(100 + i))
    for _ in range(2):  # what was found is in the cache, and said again
        caplog.clear()
        probe = load(tmp_path).report["splits"]["format_leak"]
        assert (probe["auc"] == 1.0, probe["images"]) == (leaks, 64)
        warning = "the format alone tells the classes apart (AUC 1.000): a model may learn the files and not the images"
        assert (warning in caplog.text) is leaks


def test_what_chance_may_bring_is_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(10):
        save(tmp_path / f"real/{i}.{'jpg' if i < 6 else 'png'}", picture(i))
        save(tmp_path / f"fake/{i}.png", picture(100 + i))
    probe = load(tmp_path).report["splits"]["format_leak"]
    assert 0.6 < probe["auc"] < probe["chance"] and "the format alone" not in caplog.text


# ---- the cache


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded from now on."""
    names: list[str] = []
    real = decode.read

    def watched(path: Path, max_pixels: int) -> Any:
        names.append(path.name)
        return real(path, max_pixels)

    monkeypatch.setattr(decode, "read", watched)
    return names


def same(one: data.Splits, other: data.Splits) -> bool:
    return (
        one.everything.table.equals(other.everything.table)
        and one.fingerprint == other.fingerprint
        and one.split.hash == other.split.hash
        and one.report == other.report
        and one.dropped.read_bytes() == other.dropped.read_bytes()
    )


def test_a_second_load_opens_no_image(tmp_path: Path, read: list[str]) -> None:
    root = folder(tmp_path / "set", 6)
    first = load(root)
    assert len(read) == 12
    assert same(first, load(root)) and len(read) == 12
    assert load(root, 1).split.hash != first.split.hash and len(read) == 12


def test_only_what_has_changed_is_read_again(tmp_path: Path, read: list[str]) -> None:
    root = folder(tmp_path / "set", 6)
    size = save(root / "real/same_size.bmp", picture(702)).stat().st_size
    load(root)
    read.clear()
    assert save(root / "real/same_size.bmp", picture(703)).stat().st_size == size
    save(root / "real/new.png", picture(700))
    save(root / "fake/000.png", picture(701))
    (root / "fake/001.png").unlink()
    found = load(root)
    assert sorted(read) == ["000.png", "new.png", "same_size.bmp"]
    assert sorted(found.everything.inputs()) == sorted(str(p.relative_to(root)) for p in root.rglob("*.*"))


def test_a_missing_file_that_comes_back_is_seen(tmp_path: Path) -> None:
    listed(tmp_path, [{"path": f"{i}.png", "label": ("real", "fake")[i % 2]} for i in range(10)])
    (tmp_path / "3.png").rename(tmp_path / "away")
    assert dropped(load(tmp_path)) == {"3.png": "missing"}
    (tmp_path / "away").rename(tmp_path / "3.png")
    assert dropped(load(tmp_path)) == {}


def test_rows_do_not_depend_on_where_the_files_lie_and_when_they_were_made(tmp_path: Path) -> None:
    rows = [{"path": f"{i}.png", "label": ("real", "fake")[i % 2], "source_id": f"s{i // 3}"} for i in range(30)]
    root = listed(tmp_path / "here", rows)
    there = Path(shutil.copytree(root, tmp_path / "there", copy_function=shutil.copyfile))
    first, second = load(root), load(there)
    assert first.fingerprint == second.fingerprint and first.everything.source == second.everything.source
    assert first.report | {"file": ""} == second.report | {"file": ""}
    save(root / "7.png", picture(800))
    assert load(root).everything.source != first.everything.source


def test_a_stray_file_moves_positions_and_nothing_else(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 6)
    first = load(root)
    (root / "README.md").touch()
    second = load(root)
    assert (first.everything.ids + 1 == second.everything.ids).all() and second.fingerprint == first.fingerprint


@pytest.mark.parametrize("name", ["rows.arrow", "parts.npy", "manifest.json"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, name: str) -> None:
    root = folder(tmp_path / "set", 6)
    first = load(root)
    content = first.dropped.read_bytes()
    for stored in (records.cache_dir() / "images").glob(f"*/{name}"):
        stored.write_bytes(stored.read_bytes()[:-30])
    again = load(root)
    assert again.split.hash == first.split.hash and again.dropped.read_bytes() == content


KILLED = """
import os, signal, sys, time
from pathlib import Path
from tithe import config
from tithe.data import images
from tithe.photos import decode

real, left = decode.read, 9

def dying(path, max_pixels):
    global left
    left -= 1
    if left < 0:
        time.sleep(0.3)  # for those before it to be kept
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, max_pixels)

decode.read = dying
images.load(config.Data(path=sys.argv[1]), config.Images(), 0)
"""


def test_a_killed_check_goes_on_where_it_was(tmp_path: Path, read: list[str]) -> None:
    root = folder(tmp_path / "set", 10)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(root)], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    (kept,) = (records.cache_dir() / "images").glob("*.jsonl")
    whole = len(records.read_lines(kept))
    with kept.open("a") as file:
        file.write('{"path": "real/009.png", "stam')
    found = load(root)
    assert 0 < whole <= 9 and len(read) == 20 - whole
    assert len(found.everything) == 20 and len(records.read_lines(kept)) == 20


def test_a_failing_disk_stops_the_check_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, real = folder(tmp_path / "set", 6), decode.read

    def failing(path: Path, max_pixels: int) -> Any:
        if path.name == "003.png":
            raise OSError(5, "Input/output error")
        return real(path, max_pixels)

    monkeypatch.setattr(decode, "read", failing)
    with pytest.raises(TitheError, match=r"003\.png can't be read \(Input/output error\): run again") as caught:
        load(root)
    assert not isinstance(caught.value, InputError)
    monkeypatch.setattr(decode, "read", real)
    assert dropped(load(root)) == {}


def test_many_files_are_checked_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_AT_ONCE", 7)
    root = folder(tmp_path / "set", 10)
    found = load(root).everything
    assert found.column("sha256") == [records.sha256_file(root / path) for path in found.inputs()]


def test_only_training_rows_are_balanced(tmp_path: Path) -> None:
    listed(tmp_path, generated(30, {"sd": 10}))
    plain, balanced = load(tmp_path), load(tmp_path, upsample=True)
    assert np.bincount(plain.everything.labels[plain.train]).tolist() == [8, 24]
    assert np.bincount(balanced.everything.labels[balanced.train]).tolist() == [24, 24]
    assert balanced.split.hash == plain.split.hash and balanced.report["splits"]["train_after_balancing"] == 48
