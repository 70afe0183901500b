"""Photographs as examples: twins cut and changed alike, epochs that differ, evaluation that doesn't."""

from __future__ import annotations

import hashlib
import itertools
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from support import processes
from support.image_examples import ROWS, examples_of, pixels, task_of
from support.photographs import STEPS, photograph, twins
from tithe.errors import InputError
from tithe.imaging import augment, crops, decode, degradations
from tithe.train import trainer
from tithe.train.loader import collated


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins(tmp_path_factory.mktemp("photographs") / "set")


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs whose two files hold the same pixels, and one photograph that stands alone; every side is another."""
    folder = tmp_path_factory.mktemp("alike")
    lines = ["path,label,pair_id"]
    for i in range(6):
        for label, level in (("real", 1), ("fake", 9)):
            picture = photograph(i, 50 + 7 * i, 90 - 5 * i)
            assert cv2.imwrite(str(folder / f"{label}{i}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, level])
            lines.append(f"{label}{i}.png,{label},p{i}")
    cv2.imwrite(str(folder / "alone.png"), photograph(99, 60, 60))
    (folder / "labels.csv").write_text("\n".join([*lines, "alone.png,real,"]) + "\n")
    return folder


# ---- what a training step sees


@pytest.mark.parametrize("kind", ["none", "flips", "all"])
def test_twins_are_cut_and_changed_alike_in_every_epoch(alike: Path, kind: str) -> None:
    examples = examples_of(alike, augment=kind)
    real = [row for row, path in enumerate(examples.paths) if path.startswith("real")]
    fake = [examples.paths.index(examples.paths[row].replace("real", "fake")) for row in real]
    assert (examples.groups[real] == examples.groups[fake]).all() and len(set(examples.groups.tolist())) == 7
    for epoch in range(12):
        shown = examples.at_epoch(epoch)
        assert (pixels(shown, np.array(real)) == pixels(shown, np.array(fake))).all()


def test_without_twins_every_image_goes_its_own_way(alike: Path) -> None:
    examples = examples_of(alike, "images.twins=false")
    assert len(set(examples.groups.tolist())) == len(examples) == 13
    shown = examples.at_epoch(0)
    assert any((pixels(shown, np.array([i])) != pixels(shown, np.array([i + 1]))).any() for i in range(0, 12, 2))


def test_pairs_stand_in_one_batch_of_the_training_rows(root: Path) -> None:
    task = task_of(root)
    splits = task.load()
    rows = task.encode(splits.rows).take(splits.train)
    plan = trainer.plan(rows, task.run.train, task.run.seed)
    for epoch, step in itertools.product(range(3), range(STEPS)):
        pairs = rows.groups[plan.epoch(epoch)[step]].tolist()
        assert len(pairs) == 8 and sorted(pairs) == sorted([*set(pairs)] * 2)


def test_every_epoch_shows_other_pixels_and_the_same_one_the_same(root: Path) -> None:
    examples = examples_of(root, augment="all")
    shown = [pixels(examples.at_epoch(epoch)) for epoch in (0, 1, 2, 0)]
    assert (shown[0] == shown[3]).all()
    for a, b in itertools.combinations(shown[:3], 2):
        assert all((x != y).any() for x, y in zip(a, b, strict=True))
    assert (pixels(examples_of(root, augment="all", seed=7).at_epoch(0)) != shown[0]).any()


def test_what_a_row_looks_like_does_not_depend_on_its_batch(root: Path) -> None:
    shown = examples_of(root, augment="all").at_epoch(3)
    whole = pixels(shown, np.arange(10))
    for rows in ([7], [9, 0, 4], [4, 4]):
        assert (pixels(shown, np.array(rows)) == whole[rows]).all()


def test_flips_only_turn_what_is_cut_and_none_does_not(root: Path) -> None:
    plain, turned = (examples_of(root, augment=kind).at_epoch(1) for kind in ("none", "flips"))
    turns = 0
    for cut, flipped in zip(pixels(plain, np.arange(12)), pixels(turned, np.arange(12)), strict=True):
        ways = [np.rot90(side, k, (1, 2)) for side in (cut, cut[:, :, ::-1]) for k in range(4)]
        assert any((way == flipped).all() for way in ways)
        turns += (cut != flipped).any()
    assert turns > 4


def test_changes_are_those_of_the_documented_recipe(root: Path) -> None:
    examples = examples_of(root, augment="all").at_epoch(2)
    rng = np.random.default_rng([42, 0x1A6E, 2, int(examples.groups[5])])
    piece = crops.random(examples.whole(5), 32, rng)
    assert (pixels(examples, np.array([5]))[0] == augment.augment(piece, rng).transpose(2, 0, 1)).all()


def test_workers_and_other_processes_see_the_same_bytes(root: Path) -> None:
    task = task_of(root, augment="all")
    examples = task.encode(task.load_labelled()[0])
    plan = trainer.plan(examples, task.run.train, 42)
    here, read_ahead = (
        [batch["images"] for _, (batch,) in collated(examples, plan, range(3, 9), num_workers=workers)]
        for workers in (0, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(here, read_ahead, strict=True))
    script = (
        "import sys, hashlib, numpy as np; from pathlib import Path\n"
        "import support.image_examples as t\n"
        "shown = t.examples_of(Path(sys.argv[1]), augment='all').at_epoch(1)\n"
        "print(hashlib.sha256(t.pixels(shown).tobytes()).hexdigest())"
    )
    there = processes.run("-c", script, root)
    assert there.returncode == 0, there.stderr
    assert there.stdout.strip() == hashlib.sha256(pixels(examples.at_epoch(1)).tobytes()).hexdigest()


# ---- what an evaluation sees


def test_an_evaluation_draws_nothing(root: Path) -> None:
    examples = examples_of(root, crops=4, augment="all")
    first = pixels(examples)
    assert first.shape == (8, 4, 3, 32, 32) and first.dtype == np.uint8
    assert (pixels(examples) == first).all() and (pixels(examples_of(root, crops=4, seed=7)) == first).all()
    for row in ROWS:
        by_hand = crops.even(decode.read(root / examples.paths[row]), 32, 4)
        assert (first[row] == by_hand.transpose(0, 3, 1, 2)).all()
    assert (pixels(examples_of(root, crops=1))[3] == examples.centre(3).transpose(2, 0, 1)).all()


@pytest.mark.parametrize("change", ["jpeg_60", "noise_5", None])
def test_a_changed_photograph_is_its_centre_changed(root: Path, change: str | None) -> None:
    examples = examples_of(root, crops=4)
    shown = pixels(examples.changed(change))
    by_hand = degradations.by_name(change)(examples.centre(2)) if change else examples.centre(2)
    assert shown.shape == (8, 3, 32, 32) and (shown[2] == by_hand.transpose(2, 0, 1)).all()


def test_photographs_in_memory_are_cut_as_files_are(root: Path) -> None:
    task = task_of(root, crops=3)
    examples = task.encode(task.load_labelled()[0])
    batch = task.batch([examples.whole(int(row)) for row in ROWS])
    assert torch.equal(batch["images"], examples.collate(ROWS)["images"])


def test_batches_of_an_evaluation_hold_so_many_crops(root: Path) -> None:
    assert [task_of(root, crops=count).rows_at_once for count in (1, 4, 33)] == [32, 8, 1]


def test_rows_are_known_by_their_place_their_class_and_what_made_them(root: Path) -> None:
    examples = examples_of(root)
    fakes = [i for i, path in enumerate(examples.paths) if path.startswith("fake")]
    assert np.flatnonzero(examples.labels == 0).tolist() == fakes and len(examples) == 32
    assert set(examples.generators) == {"squares", "smooth"}
    view = examples.take(np.array([5, 2, 2]))
    assert view.ids.tolist() == examples.ids[[5, 2, 2]].tolist() and view.paths[1] == view.paths[2]
    assert view.collate(np.array([0]))["labels"].tolist() == [int(examples.labels[5])]


def test_a_photograph_that_has_gone_is_one_line(tmp_path: Path) -> None:
    examples = examples_of(twins(tmp_path / "set", 4))
    (tmp_path / "set" / examples.paths[1]).unlink()
    with pytest.raises(InputError) as caught:
        examples.collate(ROWS)
    says = f"{tmp_path / 'set' / examples.paths[1]} can't be read ("
    assert str(caught.value).startswith(says) and "\n" not in str(caught.value)


def test_rows_alone_have_the_same_pixels_and_nothing_of_the_others(root: Path) -> None:
    examples = examples_of(root)
    rows = np.array([5, 0, 2])
    alone = pickle.loads(pickle.dumps(examples.take(rows).alone()))
    assert (pixels(alone, np.arange(3)) == pixels(examples, rows)).all()
    assert alone.paths == [examples.paths[row] for row in rows] and len(alone.dataset.table) == 3
