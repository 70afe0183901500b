"""Run directories with the time in their name: which one a run takes, and which one it goes on with."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.runs import built, run, sha
from support.signals import asked_after
from tithe import config, interrupts, storage
from tithe.checkpoints import locate
from tithe.errors import InputError, Interrupted
from tithe.runs.directory import exclusive, resolve
from tithe.runs.finish import Outcome
from tithe.train import devices

Settings = Callable[..., dict[str, Any]]
STAMP = re.compile(r"\d{8}-\d{6}(-\d+)?")


pytestmark = pytest.mark.usefixtures("log")


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any], int], Path]:
    """Stop a run exactly after a step; return its directory."""

    def stop(raw: dict[str, Any], step: int) -> Path:
        built(raw)  # so that it is asked for a stop while it trains, and not while the encoder runs

        with monkeypatch.context() as patch, pytest.raises(Interrupted) as caught:
            patch.setattr(interrupts, "StopRequest", asked_after(step))
            run(raw)
        found = re.search(r"resume from (.+)/checkpoints/", str(caught.value))
        assert found
        return Path(found[1])

    return stop


def homes(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def finish(raw: dict[str, Any], **kept: Any) -> Outcome:
    return run({**raw, "checkpoint": {**raw["checkpoint"], **kept}})


# ---- where a run goes


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("x-{time}", r"x-STAMP"),
        ("{time}", r"STAMP"),
        ("deep/{time}/model", r"deep/STAMP/model"),
        ("{time}-end", r"STAMP-end"),
        ("plain", r"plain"),
        (None, r"runs/test-STAMP"),
    ],
)
def test_the_time_stands_where_the_pattern_says(
    out: str | None, expected: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parsed = config.parse(settings(out=out))
    home = resolve(parsed)
    assert re.fullmatch(expected.replace("STAMP", STAMP.pattern), home.as_posix()) and not home.exists()
    on = parsed.model_copy(update={"checkpoint": config.Checkpoint(resume="auto")})
    assert re.fullmatch(expected.replace("STAMP", STAMP.pattern), resolve(on).as_posix())


def test_two_runs_of_one_pattern_lie_side_by_side(stamped: Settings, tmp_path: Path) -> None:
    raw = stamped(train={"epochs": 1})
    one, two = run(raw), run(raw)
    assert homes(tmp_path / "runs") == sorted([one.home.name, two.home.name]) and sha(one) == sha(two)
    assert all(re.fullmatch(f"a-{STAMP.pattern}", name) for name in homes(tmp_path / "runs"))


# ---- which one goes on


def test_the_newest_unfinished_run_of_the_config_goes_on_and_ends_in_the_same_bits(
    stamped: Settings,
    tmp_path: Path,
    stopped: Callable[[dict[str, Any], int], Path],
    log: pytest.LogCaptureFixture,
) -> None:
    raw = stamped()
    older = stopped(raw, 7)
    newer = older.rename(older.with_name("a-20250101-000000"))  # then the clock of the next is later
    newest = stopped(raw, 13)
    assert f"there is an unfinished run of this config in {newer}: --resume auto continues it" in log.text
    other = stopped(stamped(seed=5), 9)  # newer still, of another config
    log.clear()
    resumed = finish(raw, resume="auto")
    assert resumed.home == newest and homes(tmp_path / "runs") == sorted([newer.name, newest.name, other.name])
    assert "resuming after step 13" in log.text and "unfinished run" not in log.text
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert sha(resumed) == sha(whole)
    assert (newest / "history.jsonl").read_bytes() == (tmp_path / "whole/history.jsonl").read_bytes()
    # That one is finished: next comes the one before it, and then a new one.
    again = finish(raw, resume="auto")
    assert again.home == newer and sha(again) == sha(whole)
    fresh = finish(stamped(train={"epochs": 1}), resume="auto")
    assert fresh.home.name not in (newer.name, newest.name, other.name) and not (other / "metrics.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"train": {"epochs": 1}},
        {"train": {"learning_rate": 2e-3}},
        {"data": {"val_ratio": 0.2}},
        {"checkpoint": {"keep": 3}},
        {"name": "other"},
        {"out": "OUT/{time}"},
    ],
)
def test_another_config_does_not_go_on_with_it(change: dict[str, Any], stamped: Settings, tmp_path: Path) -> None:
    left = tmp_path / "runs/a-20250101-000000"
    storage.write_json(left / "config.json", config.dump(config.parse(stamped())))
    if "out" in change:
        change = {"out": change["out"].replace("OUT", str(tmp_path / "runs"))}
    kept = {**change.get("checkpoint", {}), "resume": "auto"}

    def home(raw: dict[str, Any]) -> Path:
        return resolve(config.parse(raw))

    assert home(stamped(checkpoint={"resume": "auto"})) == left
    assert home(stamped(**{**change, "checkpoint": kept})) != left
    (left / storage.MANIFEST).touch()
    assert home(stamped(checkpoint={"resume": "auto"})) != left, "it is finished"


@pytest.mark.parametrize(("asked", "is_same"), [("auto", True), ("cls", True), ("mean", False)])
def test_what_a_run_decided_itself_is_no_other_config(
    asked: str, is_same: bool, stamped: Settings, tmp_path: Path
) -> None:
    left = tmp_path / "runs/a-20250101-000000"
    raw = stamped(checkpoint={"resume": "auto"})
    written = config.dump(config.parse(raw))
    written["model"] |= {"pooling": "cls", "attention": "sdpa"}  # as `config.json` has them
    storage.write_json(left / "config.json", written)
    raw["model"] = {**raw["model"], "pooling": asked}
    assert (resolve(config.parse(raw)) == left) == is_same


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model_type": "bert"}', '{"checkpoint": 5}'])
def test_a_folder_that_is_no_run_of_ours_is_passed_over(content: str, stamped: Settings, tmp_path: Path) -> None:
    left = tmp_path / "runs/a-20250101-000000"
    storage.write_json(left / "config.json", config.dump(config.parse(stamped())))
    stranger = tmp_path / "runs/a-model"
    stranger.mkdir()
    (stranger / "config.json").write_text(content)  # an encoder's folder has one, too
    (tmp_path / "runs/a-file").touch()
    assert resolve(config.parse(stamped(checkpoint={"resume": "auto"}))) == left
    assert resolve(config.parse(stamped())).parent == left.parent


@pytest.mark.parametrize("out", ["runs/[1]-{time}", "runs [1]/a-{time}", "{time}", "deep/{time}/model"])
def test_any_pattern_finds_its_own(
    out: str, stamped: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    left = Path(out.replace("{time}", "20250101-000000"))
    storage.write_json(left / "config.json", config.dump(config.parse(stamped(out=out))))
    assert resolve(config.parse(stamped(out=out, checkpoint={"resume": "auto"}))) == left


def test_a_directory_in_which_a_run_is_under_way_is_taken(stamped: Settings, tmp_path: Path) -> None:
    left = tmp_path / "runs/a-20250101-000000"
    storage.write_json(left / "config.json", config.dump(config.parse(stamped())))
    accelerator = devices.accelerator("cpu")
    with exclusive(left, accelerator):
        assert resolve(config.parse(stamped(checkpoint={"resume": "auto"}))) != left
        with pytest.raises(InputError, match="another run, search or suite is under way in") as caught:
            run({**stamped(), "out": str(left)})
        assert "\n" not in str(caught.value) and sorted(p.name for p in left.iterdir()) == [".lock", "config.json"]
    assert resolve(config.parse(stamped(checkpoint={"resume": "auto"}))) == left


def test_a_run_that_was_stopped_before_its_first_checkpoint_starts_in_its_directory(
    stamped: Settings, tmp_path: Path
) -> None:
    raw = stamped(train={"epochs": 1})
    left = tmp_path / "runs/a-20250101-000000"
    storage.write_json(left / "config.json", config.dump(config.parse(raw)))
    outcome = finish(raw, resume="auto")
    assert outcome.home == left and sha(outcome) == sha(run({**raw, "out": str(tmp_path / "whole")}))


def test_the_default_directory_goes_on_too(
    stamped: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: Callable[[dict[str, Any], int], Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    raw = stamped(out=None)
    left = stopped(raw, 7)
    assert re.fullmatch(f"runs/test-{STAMP.pattern}", left.as_posix())
    log = left / "train.log"
    earlier = log.read_text()
    resumed = finish(raw, resume="auto")
    assert resumed.home == left and homes(tmp_path / "runs") == [left.name]
    assert log.read_text().startswith(earlier) and "resuming after step 7" in log.read_text()


def test_a_run_under_way_is_not_taken_for_a_finished_one(
    stamped: Settings, tmp_path: Path, stopped: Callable[[dict[str, Any], int], Path]
) -> None:
    """A finished run that is prolonged, and stopped again, has no end: `verify` must not speak of changed files."""
    raw = stamped(out=str(tmp_path / "run"), train={"epochs": 1})
    run(raw)
    longer = stamped(out=str(tmp_path / "run"), train={"epochs": 3}, checkpoint={"resume": "auto"})
    stopped(longer, 3)
    assert not (tmp_path / "run" / storage.MANIFEST).exists()
    assert locate.newest_intact(tmp_path / "run/checkpoints")
