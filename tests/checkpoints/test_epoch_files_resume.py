"""How a run goes on from the file of an epoch: more epochs, another rate, and what can't be gone on from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from support.epoch_files import FLAGS, KEYS, Train, at_step, factors, killed, opened, rates
from support.photographs import documented, final, history
from tithe import pipeline, storage
from tithe.checkpoints import epoch_files, locate
from tithe.errors import InputError
from tithe.predict import load

pytestmark = pytest.mark.usefixtures("one_thread", "small")


# ---- more epochs


def test_more_epochs_are_those_of_a_run_whose_schedule_had_ended(go: Train) -> None:
    home = go(epochs=2)
    go(epochs=2, resume=str(home / "latest_model.pt"))
    longer = go("train.schedule_epochs=2", out="longer", epochs=4)
    assert final(home) == final(longer)
    assert (home / "history.jsonl").read_bytes() == (longer / "history.jsonl").read_bytes()
    assert rates(home)[6:] == pytest.approx([0.0001] * 6)
    assert opened(home / "latest_model.pt")["epoch"] == 4 and (home / "checkpoint_epoch_4.pt").exists()
    assert storage.read_json(home / "metrics.json")["best"] == storage.read_json(longer / "metrics.json")["best"]


def test_from_the_middle_of_a_schedule_it_goes_on_to_its_end(go: Train, whole: Path) -> None:
    home = go(epochs=2, resume=str(whole / "checkpoint_epoch_2.pt"))
    assert final(home) == final(whole) and rates(home) == rates(whole)
    assert (home / "history.jsonl").read_bytes() == (whole / "history.jsonl").read_bytes()


def test_a_file_is_opened_and_verified_once(go: Train, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_files: list[Path] = []
    real = epoch_files._open

    def counted(path: Path) -> Any:
        opened_files.append(path)
        return real(path)

    monkeypatch.setattr(epoch_files, "_open", counted)
    go(epochs=1, resume=str(whole / "checkpoint_epoch_2.pt"))
    assert opened_files == [whole / "checkpoint_epoch_2.pt"]


def test_a_file_alone_carries_its_history_into_another_folder(go: Train, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "carried").mkdir()
    (tmp_path / "carried/history.jsonl").write_text(
        '{"kind": "val", "step": 3, "epoch": 1, "loss": 9.0}\n'
    )  # another's
    carried = shutil.copyfile(whole / "checkpoint_epoch_2.pt", tmp_path / "carried/some.pt")
    home = go(epochs=2, resume=str(carried))
    assert final(home) == final(whole)
    assert storage.read_json(home / "training_history.json") == storage.read_json(whole / "training_history.json")
    assert {path.name for path in home.glob("checkpoint_epoch_*")} == {"checkpoint_epoch_3.pt", "checkpoint_epoch_4.pt"}
    # The weights of the two earlier epochs are not here: the best is one of those that are.
    here = [line for line in history(home, "val") if line["epoch"] > 2]
    best = min(here, key=lambda line: float(line["loss"]))
    assert opened(home / "best_model.pt")["epoch"] == best["epoch"]
    assert storage.read_json(home / "metrics.json")["best"]["epoch"] == best["epoch"]
    later = epoch_files.read(home / "latest_model.pt").state().progress
    assert later["best"]["epoch"] == best["epoch"] and later["waited"] == 4 - best["epoch"]


def test_going_on_from_an_earlier_file_leaves_no_later_state_behind(go: Train, whole: Path, tmp_path: Path) -> None:
    home = tmp_path / "run"
    shutil.copytree(whole, home)
    killed(lambda: go(epochs=2, resume=str(home / "checkpoint_epoch_1.pt")), at_step(1))
    assert [path.name for path in locate.all_in(home) if path.name != "best"] == ["step_00000003"]
    assert max(line["step"] for line in storage.read_lines(home / "history.jsonl")) <= 4


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
    # What goes on from there keeps the restarted schedule.
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
    (bomb, {}, "can't be read (it holds Python objects, which are never loaded)"),
    (lack, {}, "is not a file of a checkpoint of tithe: pass a run"),
    (lambda path: path.unlink(), {}, "no checkpoint at"),
    (cut, {"reset_lr": True}, "can't be read"),
    (lambda path: path.unlink(), {"reset_scheduler": True}, "nothing to reset: resume from a single file such as"),
    (
        lambda path: None,
        {"full_mode": True},
        "contains another network: use the model settings that it was trained with",
    ),
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
        load(home / "latest_model.pt")
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
    with pytest.raises(InputError, match="contains an earlier run"):
        go(epochs=1)
    pipeline.train(documented(root, home, **{**FLAGS, "epochs": 1}), overwrite=True)
    assert sorted(path.name for path in home.glob("*.pt")) == [
        *("best_model.pt", "checkpoint_epoch_1.pt", "latest_model.pt")
    ]
    assert (home / "mine.txt").exists() and len(json.loads((home / "training_history.json").read_text())["val"]) == 1


def test_a_file_in_the_place_of_another_is_refused(go: Train, whole: Path, tmp_path: Path) -> None:
    home = shutil.copytree(whole, tmp_path / "run")
    shutil.copyfile(home / "checkpoint_epoch_2.pt", home / "latest_model.pt")
    for use in (lambda path: go(resume=str(path)), load):
        with pytest.raises(InputError, match=r"latest_model.pt is not the file that its run wrote"):
            use(home / "latest_model.pt")


def test_an_edited_history_is_not_gone_on_with(go: Train, whole: Path, tmp_path: Path) -> None:
    home = shutil.copytree(whole, tmp_path / "run")
    lines = (home / "history.jsonl").read_text().splitlines(keepends=True)
    assert '"kind": "train"' in lines[0]
    (home / "history.jsonl").write_text("".join([lines[0].replace("0.", "1.", 1), *lines[1:]]))
    with pytest.raises(InputError, match=r"history.jsonl is not the history that .*latest_model.pt was saved with"):
        go(resume=str(home / "latest_model.pt"))


def test_numbered_files_of_a_stopped_run_stay_vouched_for(go: Train) -> None:
    killed(lambda: go(), at_step(8))
    home = go(resume="auto")
    listed = storage.read_json(home / storage.MANIFEST)
    assert {f"checkpoint_epoch_{epoch}.pt" for epoch in (1, 2, 3, 4)} <= listed.keys()
    assert storage.broken_files(home) == []


# ---- a branch that was left


def test_numbered_files_of_a_branch_that_was_left_have_another_name(
    go: Train, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = shutil.copytree(whole, tmp_path / "run")
    left = (home / "checkpoint_epoch_4.pt").read_bytes()
    go(epochs=1, resume=str(home / "checkpoint_epoch_2.pt"), reset_lr=True, lr=0.001)
    assert sorted(path.name for path in home.glob("*_epoch_*.pt")) == [
        *("abandoned_epoch_3.pt", "abandoned_epoch_4.pt"),
        *(f"checkpoint_epoch_{epoch}.pt" for epoch in (1, 2, 3)),
    ]
    assert (home / "abandoned_epoch_4.pt").read_bytes() == left
    assert "checkpoint_epoch_3.pt, checkpoint_epoch_4.pt: of later epochs than the run continues from" in caplog.text
    assert storage.broken_files(home) == [] and "abandoned_epoch_4.pt" in storage.read_json(home / storage.MANIFEST)


def test_an_earlier_checkpoint_folder_leaves_a_branch_too(
    go: Train, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = go("checkpoint.keep=9")
    killed(lambda: go("checkpoint.keep=9", lr=0.001, resume=str(home / "step_00000003")), at_step(1))
    # What a kill leaves is the new branch, and `auto` continues it.
    assert [path.name for path in locate.all_in(home) if path.name != "best"] == ["step_00000003"]
    assert {path.name for path in home.glob("abandoned*")} == {f"abandoned_epoch_{epoch}.pt" for epoch in (2, 3, 4)}
    again = go("checkpoint.keep=9", lr=0.001, resume="auto")
    assert rates(again)[3] == 0.001 and {path.name for path in again.glob("checkpoint_epoch_*")} == {
        f"checkpoint_epoch_{epoch}.pt" for epoch in (1, 2, 3, 4)
    }


def test_a_warmup_that_the_schedule_ended_in_does_not_go_on(go: Train, caplog: pytest.LogCaptureFixture) -> None:
    home = go(epochs=2, warmup_epochs=5)
    go(epochs=5, resume=str(home / "latest_model.pt"))
    assert rates(home)[:6] == pytest.approx([0.003 * (step + 1) / 16 for step in range(6)])
    assert rates(home)[6:] == [rates(home)[5]] * 15
    assert (
        "the schedule ends after 6 steps, in its warmup of 15, and the learning rate stays at 0.001125" in caplog.text
    )


def test_what_is_said_of_the_rate_is_of_the_steps_to_come(go: Train, caplog: pytest.LogCaptureFixture) -> None:
    home = go(epochs=2, lr=0.003, min_lr=0.000001)
    assert "6 steps at a learning rate of 0.003 are too few to train a new detector: train longer" in caplog.text
    caplog.clear()
    go(epochs=2, lr=0.003, resume=str(home / "latest_model.pt"))
    assert "a new detector" not in caplog.text
    assert "6 steps at a learning rate of 1e-06 hardly change a trained detector: restart the schedule" in caplog.text
