"""The documented files of an epoch's end: what is in them, which is which, and how a run goes on from one."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from photographs import (
    STEPS,
    after,
    documented,
    final,
    history,
    train,
    twins,
    with_little_detector,
    without_pictures,
)
from tithe import checkpoint, epochfiles, interrupts, optimizers, pipeline, records, trained
from tithe.errors import InputError
from tithe.judging import CALIBRATION

EPOCHS = 4
FLAGS: dict[str, Any] = {"epochs": EPOCHS, "warmup_epochs": 1, "lr": 0.003, "min_lr": 0.0001}
KEYS = {
    "epoch": int,
    "global_step": int,
    "model_state_dict": dict,
    "optimizer_state_dict": dict,
    "scheduler_state_dict": dict,
    "scaler_state_dict": dict,
    "best_val_loss": float,
    "train_history": list,
    "val_history": list,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A forked process computes with one thread: so that bits can be compared, this one does too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins(tmp_path_factory.mktemp("photographs") / "set")


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four epochs that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch, root)
        return train(root, folder / "checkpoints", "checkpoint.every_batches=2", **FLAGS).home


def make_small(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Leave out what these files do not depend on; the photographs are read once for all tests."""
    without_pictures(patch)
    with_little_detector(patch)
    patch.setenv("TITHE_CACHE", str(root.parent / "cache"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    make_small(monkeypatch, root)


Train = Callable[..., Path]


@pytest.fixture
def go(root: Path, tmp_path: Path) -> Train:
    """Train with the flags of the whole run, or others; return where."""
    return lambda *overrides, out="run", **flags: train(root, tmp_path / out, *overrides, **{**FLAGS, **flags}).home


def opened(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def same(one: Any, other: Any) -> bool:
    """Say whether two contents are equal to the bit, whatever they are made of."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def rates(home: Path) -> list[float]:
    return [line["lr_0"] for line in history(home, "train")]


def factors(**settings: Any) -> Callable[[int], float]:
    """The documented schedule over the peak, by hand: steps of warmup, then half a cosine to the least."""
    warmup, total, least = (settings[name] for name in ("warmup", "total", "least"))

    def factor(step: int) -> float:
        if step < warmup:
            return float((step + 1) / (warmup + 1))
        way = min(1.0, (step - warmup) / (total - warmup))
        return float(least + (1 - least) * 0.5 * (1 + math.cos(math.pi * way)))

    return factor


# ---- what is in them


def test_a_file_holds_the_documented_keys_and_plain_types(whole: Path) -> None:
    for name in ("checkpoint_epoch_1.pt", "latest_model.pt", "best_model.pt"):
        content = opened(whole / name)
        assert {key: isinstance(content[key], kind) for key, kind in KEYS.items()} == dict.fromkeys(KEYS, True)
        assert content.keys() == KEYS.keys() and content["global_step"] == STEPS * content["epoch"]
        for kind, per_epoch in (("train", "total"), ("val", "val_loss")):
            told = content[f"{kind}_history"]
            assert [line["epoch"] for line in told] == list(range(1, content["epoch"] + 1)) and per_epoch
            assert all(type(value) in (int, float) for line in told for value in line.values())
    told = opened(whole / "latest_model.pt")
    assert {"total", "regression", "classification", "ranking", "learning_rate"} <= told["train_history"][0].keys()
    assert {"loss", "regression", "classification", "ranking", "accuracy", "auc"} <= told["val_history"][0].keys()


def test_names_are_the_documented_ones(whole: Path) -> None:
    files = sorted(path.name for path in whole.glob("*.pt"))
    assert files == ["best_model.pt", *(f"checkpoint_epoch_{i}.pt" for i in range(1, 5)), "latest_model.pt"]
    assert [opened(whole / f"checkpoint_epoch_{i}.pt")["epoch"] for i in range(1, 5)] == [1, 2, 3, 4]
    assert (whole / "latest_model.pt").read_bytes() == (whole / "checkpoint_epoch_4.pt").read_bytes()
    assert [path.name for path in whole.glob("step_*")] == ["step_00000012"]  # tithe's own, of which one is kept
    manifest = records.read_json(whole / records.MANIFEST)
    assert {*files, "training_history.json"} <= manifest.keys()


def test_the_history_is_that_of_the_files(whole: Path) -> None:
    told, last = records.read_json(whole / "training_history.json"), opened(whole / "latest_model.pt")
    assert told == {"train": last["train_history"], "val": last["val_history"]}
    assert [line["loss"] for line in told["val"]] == [line["loss"] for line in history(whole, "val")]


def test_the_best_file_has_the_lowest_validation_loss(whole: Path) -> None:
    losses = {line["epoch"]: line["loss"] for line in history(whole, "val")}
    best = min(losses, key=lambda epoch: losses[epoch])
    assert (whole / "best_model.pt").read_bytes() == (whole / f"checkpoint_epoch_{best}.pt").read_bytes()
    content = opened(whole / "best_model.pt")
    assert content["best_val_loss"] == losses[best] == min(losses.values())
    lowest = [min(list(losses.values())[:epoch]) for epoch in range(1, 5)]
    assert [opened(whole / f"checkpoint_epoch_{i}.pt")["best_val_loss"] for i in range(1, 5)] == lowest
    assert same(dict(content["model_state_dict"]), checkpoint.weights(whole / "best"))


def test_the_best_file_scores_what_its_epoch_scored(whole: Path) -> None:
    model = trained.load(whole / "best_model.pt", device="cpu")
    splits = model.task.load()
    rows = model.task.encode(splits.everything.take(splits.val))
    scores = model.task.scores(rows.labels, model.outputs(rows))
    assert scores["loss"] == pytest.approx(opened(whole / "best_model.pt")["best_val_loss"], rel=1e-5)
    assert model.folder == whole / "best" and (model.folder / CALIBRATION).exists()


def test_an_epochs_means_are_those_of_its_rows(go: Train) -> None:
    home = go("train.drop_last=false", epochs=2, batch_size=7)  # 24 rows: the last step has 3
    lines = history(home, "train")
    for epoch in (1, 2):
        steps = [line for line in lines if line["epoch"] == epoch]
        assert ["total" in line for line in steps] == [False] * 3 + [True]
        mean = sum(line["batch_loss"] * rows for line, rows in zip(steps, (7, 7, 7, 3), strict=True)) / 24
        assert steps[-1]["total"] == pytest.approx(mean, rel=1e-12)
        parts = steps[-1]["regression"] + 0.3 * steps[-1]["classification"] + 0.2 * steps[-1]["ranking"]
        assert parts == pytest.approx(mean, rel=1e-5) and steps[-1]["learning_rate"] == steps[-1]["lr_0"]


def test_the_learning_rate_is_the_documented_curve(whole: Path) -> None:
    factor = factors(warmup=STEPS, total=STEPS * EPOCHS, least=0.0001 / 0.003)
    assert rates(whole) == pytest.approx([0.003 * factor(step) for step in range(12)])
    run = documented(whole, whole, lr=0.0000125, epochs=50, warmup_epochs=5, min_lr=0.000001)
    curve = optimizers.schedule(run.train, 500, 10)
    assert [curve(step) * 0.0000125 for step in (0, 49, 50, 275, 500, 900)] == pytest.approx(
        [0.0000125 / 51, 0.0000125 * 50 / 51, 0.0000125, 0.00000675, 0.000001, 0.000001]
    )


@pytest.mark.parametrize(("interval", "epochs", "named"), [(2, 3, [2, 3]), (5, 2, [2])])
def test_epochs_between_two_numbered_files(go: Train, interval: int, epochs: int, named: list[int]) -> None:
    home = go(save_interval=interval, epochs=epochs)
    assert sorted(home.glob("checkpoint_epoch_*.pt")) == [home / f"checkpoint_epoch_{i}.pt" for i in named]
    assert opened(home / "latest_model.pt")["epoch"] == epochs


def test_before_a_first_validation_there_is_no_best(go: Train) -> None:
    home = go(validate_interval=2, epochs=3)
    first = opened(home / "checkpoint_epoch_1.pt")
    assert first["best_val_loss"] == math.inf and first["val_history"] == []
    assert [line["epoch"] for line in opened(home / "latest_model.pt")["val_history"]] == [2, 3]
    again = go(out="again", validate_interval=2, epochs=2, resume=str(home / "checkpoint_epoch_1.pt"))
    assert final(again) == final(home)


# ---- killed, and gone on with to the same bits


def killed(run: Callable[[], Any], arrange: Callable[[pytest.MonkeyPatch], None]) -> None:
    """Run in a process of its own that kills itself, as nothing can catch it."""

    def child() -> None:
        arrange(pytest.MonkeyPatch())
        run()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(step: int) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(interrupts, "Asked", after(step, die))


def at_call(module: Any, name: str, call: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Die when a function is called so often."""
    real, calls = getattr(module, name), iter(range(1, 1000))

    def dying(*arguments: Any, **named: Any) -> Any:
        if next(calls) == call:
            die()
        return real(*arguments, **named)

    return lambda patch: patch.setattr(module, name, dying)


KILLS = {
    "after the first step": at_step(1),
    "within an epoch": at_step(8),
    "between two epochs": at_step(6),
    "after the best and before the newest": at_call(checkpoint.Keeper, "periodic", 2),
    "before an epoch's files": at_call(epochfiles, "write", 2),
    "among an epoch's files": at_call(shutil, "copyfile", 5),
    "before the end is told": at_call(pipeline.closing, "conclude", 1),
}


@pytest.mark.parametrize("arrange", KILLS.values(), ids=KILLS)
def test_killed_anywhere_and_gone_on_with_it_ends_in_the_same_bits(
    arrange: Callable[[pytest.MonkeyPatch], None], go: Train, whole: Path
) -> None:
    killed(lambda: go("checkpoint.every_batches=2"), arrange)
    home = go("checkpoint.every_batches=2", resume="auto")
    assert final(home) == final(whole)
    for name in ("history.jsonl", "training_history.json"):
        assert (home / name).read_bytes() == (whole / name).read_bytes()
    assert {path.name for path in home.iterdir()} == {path.name for path in whole.iterdir()}
    for path in whole.glob("*.pt"):
        one, other = opened(path), opened(home / path.name)
        assert same({**one, "scheduler_state_dict": 0}, {**other, "scheduler_state_dict": 0}), path.name


def test_a_run_that_has_more_epochs_than_are_asked_for_says_so(
    go: Train, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    home = go(epochs=2, resume="auto")
    assert "4 epochs are done and 2 are asked for: nothing is left to train" in caplog.text
    assert final(home) == final(whole)
    caplog.clear()
    go(resume="auto")
    assert "nothing is left" not in caplog.text


# ---- more epochs


def test_more_epochs_are_those_of_a_run_whose_schedule_had_ended(go: Train) -> None:
    home = go(epochs=2)
    go(epochs=2, resume=str(home / "latest_model.pt"))
    longer = go("train.schedule_epochs=2", out="longer", epochs=4)
    assert final(home) == final(longer)
    assert (home / "history.jsonl").read_bytes() == (longer / "history.jsonl").read_bytes()
    assert rates(home)[6:] == pytest.approx([0.0001] * 6)
    assert opened(home / "latest_model.pt")["epoch"] == 4 and (home / "checkpoint_epoch_4.pt").exists()
    assert records.read_json(home / "metrics.json")["best"] == records.read_json(longer / "metrics.json")["best"]


def test_from_the_middle_of_a_schedule_it_goes_on_to_its_end(go: Train, whole: Path) -> None:
    home = go(epochs=2, resume=str(whole / "checkpoint_epoch_2.pt"))
    assert final(home) == final(whole) and rates(home) == rates(whole)
    assert (home / "history.jsonl").read_bytes() == (whole / "history.jsonl").read_bytes()


def test_a_file_alone_carries_its_history_into_another_folder(go: Train, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "carried").mkdir()
    (tmp_path / "carried/history.jsonl").write_text(
        '{"kind": "val", "step": 3, "epoch": 1, "loss": 9.0}\n'
    )  # another's
    carried = shutil.copyfile(whole / "checkpoint_epoch_2.pt", tmp_path / "carried/some.pt")
    home = go(epochs=2, resume=str(carried))
    assert final(home) == final(whole)
    assert records.read_json(home / "training_history.json") == records.read_json(whole / "training_history.json")
    assert {path.name for path in home.glob("checkpoint_epoch_*")} == {"checkpoint_epoch_3.pt", "checkpoint_epoch_4.pt"}
    # The weights of the two earlier epochs are not here: the best is one of those that are.
    here = [line for line in history(home, "val") if line["epoch"] > 2]
    best = min(here, key=lambda line: float(line["loss"]))
    assert opened(home / "best_model.pt")["epoch"] == best["epoch"]
    assert records.read_json(home / "metrics.json")["best"]["epoch"] == best["epoch"]
    later = epochfiles.read(home / "latest_model.pt").progress
    assert later["best"]["epoch"] == best["epoch"] and later["waited"] == 4 - best["epoch"]


def test_going_on_from_an_earlier_file_leaves_no_later_state_behind(go: Train, whole: Path, tmp_path: Path) -> None:
    home = tmp_path / "run"
    shutil.copytree(whole, home)
    killed(lambda: go(epochs=2, resume=str(home / "checkpoint_epoch_1.pt")), at_step(1))
    assert [path.name for path in checkpoint.all_in(home) if path.name != "best"] == ["step_00000003"]
    assert max(line["step"] for line in records.read_lines(home / "history.jsonl")) <= 4


def test_another_rate_keeps_its_place_in_the_schedule(go: Train, whole: Path) -> None:
    home = go(epochs=2, resume=str(whole / "checkpoint_epoch_2.pt"), reset_lr=True, lr=0.001)
    factor = factors(warmup=3, total=12, least=0.0001 / 0.001)
    assert rates(home)[6:] == pytest.approx([0.001 * factor(step) for step in range(6, 12)])
    kept = go(out="kept", epochs=1, resume=str(whole / "checkpoint_epoch_2.pt"), lr=0.001)  # without --reset_lr
    assert rates(kept)[6:] == rates(whole)[6:9]


def test_another_rate_after_the_end_of_the_schedule_falls_from_there(go: Train, whole: Path) -> None:
    home = go(epochs=2, resume=str(whole / "latest_model.pt"), reset_lr=True, lr=0.001)
    factor = factors(warmup=0, total=6, least=0.0001 / 0.001)
    assert rates(home)[12:] == pytest.approx([0.001 * factor(step) for step in range(6)])


@pytest.mark.parametrize(("reset_lr", "peak"), [(True, 0.001), (False, 0.003)])
def test_a_schedule_can_begin_anew_with_its_warmup(go: Train, whole: Path, reset_lr: bool, peak: float) -> None:
    flags = {"reset_scheduler": True, "reset_lr": reset_lr, "lr": 0.001, "warmup_epochs": 1, "min_lr": 0.0002}
    home = go(epochs=3, resume=str(whole / "checkpoint_epoch_2.pt"), **flags)
    factor = factors(warmup=3, total=9, least=0.0002 / peak)
    assert rates(home)[6:] == pytest.approx([peak * factor(step) for step in range(9)])
    # What goes on from there keeps the schedule that was begun anew.
    more = go(out="more", epochs=1, resume=str(home / "checkpoint_epoch_4.pt"))
    assert rates(more)[12:] == rates(home)[12:]


def test_patience_survives_a_kill_and_begins_anew_where_more_is_asked_for(go: Train) -> None:
    flags = {"lr": 1e-12, "epochs": 9, "early_stopping_patience": 2}  # too small a rate to move a weight
    stopped = go(out="whole", **flags)
    assert [line["epoch"] for line in history(stopped, "val")] == [1, 2, 3]
    assert (stopped / "checkpoint_epoch_3.pt").exists()
    killed(lambda: go(**flags), at_step(7))
    home = go(**flags, resume="auto")
    assert final(home) == final(stopped) and [line["epoch"] for line in history(home, "val")] == [1, 2, 3]
    more = go(**{**flags, "epochs": 5}, resume=str(home / "latest_model.pt"))
    assert [line["epoch"] for line in history(more, "val")] == [1, 2, 3, 4, 5]
    partly = go(**flags, out="partly", resume=str(stopped / "checkpoint_epoch_2.pt"))
    assert len(history(partly, "val")) == 5  # its best weights are elsewhere: the first of its own is better than none


# ---- what can't be gone on from


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    weights = opened(path)["model_state_dict"]["encoder.weight"].numpy().tobytes()
    data = bytearray(path.read_bytes())
    data[data.index(weights) + 5] ^= 1
    path.write_bytes(data)


def lack(path: Path) -> None:
    torch.save({"epoch": 1, "model_state_dict": {}}, path)


def bomb(path: Path) -> None:
    torch.save({**dict.fromkeys(KEYS), "val_history": Path("here")}, path)


BAD: list[tuple[Callable[[Path], Any], dict[str, Any], str]] = [
    (cut, {}, "can't be read (File is not a zip file): pass another checkpoint"),
    (flip, {}, "has changed): pass another checkpoint"),
    (lambda path: path.write_bytes(b""), {}, "can't be read (File is not a zip file)"),
    (lambda path: path.write_text("no model"), {}, "can't be read (File is not a zip file)"),
    (bomb, {}, "can't be read (Weights only load failed."),
    (lack, {}, "no whole checkpoint in"),
    (lambda path: path.unlink(), {}, "no checkpoint at"),
    (cut, {"reset_lr": True}, "can't be read"),
    (lambda path: path.unlink(), {"reset_scheduler": True}, "nothing to reset: resume from a single file such as"),
    (lambda path: None, {"full_mode": True}, "holds another network: use the model settings that it was trained with"),
    (lambda path: None, {"resume": None, "reset_lr": True}, "nothing to reset: resume from a single file such as"),
    (lambda path: None, {"resume": "auto", "reset_scheduler": True}, "nothing to reset"),
]


@pytest.mark.parametrize(("spoil", "flags", "says"), BAD)
def test_what_can_not_be_gone_on_from_is_one_line_and_writes_nothing(
    spoil: Callable[[Path], Any], flags: dict[str, Any], says: str, whole: Path, go: Train, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    path = tmp_path / "there/latest_model.pt"
    shutil.copyfile(whole / "latest_model.pt", path)
    spoil(path)
    with pytest.raises(InputError) as caught:
        go(**{"resume": str(path), **flags})
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_damaged_file_is_not_quietly_replaced_by_what_lies_beside_it(go: Train, whole: Path, tmp_path: Path) -> None:
    home = tmp_path / "run"
    shutil.copytree(whole, home)
    cut(home / "latest_model.pt")
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    with pytest.raises(InputError, match=r"latest_model.pt can't be read"):
        go(resume=str(home / "latest_model.pt"))
    with pytest.raises(InputError, match=r"latest_model.pt can't be read"):
        trained.load(home / "latest_model.pt")
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_too_few_rows_for_a_batch_write_nothing(go: Train, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        go(batch_size=64)
    says = "24 training rows are fewer than the 64 of a step: lower the batch size, or set train.drop_last to false"
    assert str(caught.value) == says and not (tmp_path / "run").exists()


def test_a_run_is_not_buried_but_by_wish(go: Train, whole: Path, root: Path, tmp_path: Path) -> None:
    home = tmp_path / "run"
    shutil.copytree(whole, home)
    (home / "mine.txt").write_text("not the run's")
    with pytest.raises(InputError, match="holds an earlier run"):
        go(epochs=1)
    pipeline.train(documented(root, home, **{**FLAGS, "epochs": 1}), overwrite=True)
    assert sorted(path.name for path in home.glob("*.pt")) == [
        *("best_model.pt", "checkpoint_epoch_1.pt", "latest_model.pt")
    ]
    assert (home / "mine.txt").exists() and len(json.loads((home / "training_history.json").read_text())["val"]) == 1
