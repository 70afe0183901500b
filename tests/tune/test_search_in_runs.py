"""A search at the start of a run: stopped, resumed, described in its report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.searches import tuned
from support.signals import asked_after
from tithe import config, interrupts, pipeline, storage
from tithe.errors import InputError, Interrupted
from tithe.storage import run_files
from tithe.tune import trials

pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")

Settings = Callable[..., dict[str, Any]]


def test_a_run_killed_in_its_search_and_after_it_ends_with_the_best_values(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(settings, trials=3, epochs=1)
    auto = {"checkpoint": run.checkpoint.model_copy(update={"resume": "auto"})}
    for place, says in ((8, "finished trials are in"), (32, "stopped after step")):
        with monkeypatch.context() as patch:
            patch.setattr(interrupts, "StopRequest", asked_after(place))
            with pytest.raises(Interrupted, match=says):
                pipeline.train(run.model_copy(update=auto))
    journal = (tmp_path / "run" / run_files.TUNING_FOLDER / "journal.log").read_bytes()
    outcome = pipeline.train(run.model_copy(update=auto))
    assert (tmp_path / "run" / run_files.TUNING_FOLDER / "journal.log").read_bytes() == journal, (
        "it did not search again"
    )
    summary = storage.read_json(tmp_path / "run" / run_files.TUNING)
    assert [trial["number"] for trial in summary["trials"]] == [0, 1, 2]
    written = storage.read_json(tmp_path / "run/config.json")
    for part, values in summary["best"]["values"].items():
        assert {key: written[part][key] for key in values} == values
    assert written["tune"] == config.dump(run)["tune"]
    by_hand = run.model_copy(update={"tune": None, "out": str(tmp_path / "by-hand")})
    same = pipeline.train(trials.with_values(by_hand, summary["best"]["values"]))
    assert same.scores["training"]["final_weights_sha256"] == outcome.scores["training"]["final_weights_sha256"]
    with pytest.raises(InputError, match="is from another search, or from none: restore tune"):
        pipeline.train(tuned(settings, trials=4, epochs=1).model_copy(update=auto))
    with pytest.raises(InputError, match="contains an earlier run"):
        pipeline.train(tuned(settings, trials=5, epochs=1))
    assert storage.read_json(tmp_path / "run" / run_files.TUNING) == summary, "refused before anything is searched"


def test_a_run_says_what_was_searched_and_is_found_again_by_its_config(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(settings, trials=3, epochs=1).model_copy(update={"out": str(tmp_path / "run-{time}")})
    auto = run.model_copy(update={"checkpoint": run.checkpoint.model_copy(update={"resume": "auto"})})
    for place in (8, 32):  # in the search, and after it
        with monkeypatch.context() as patch:
            patch.setattr(interrupts, "StopRequest", asked_after(place))
            with pytest.raises(Interrupted):
                pipeline.train(auto)
    outcome = pipeline.train(auto)
    assert [outcome.home] == list(tmp_path.glob("run-*")), "one directory, found again both times"
    summary = storage.read_json(outcome.home / run_files.TUNING)
    recorded = storage.read_json(outcome.home / "metrics.json")["tuning"]
    assert recorded["trials"] == 3 and recorded["best"] == summary["best"]
    page = (outcome.home / "report.html").read_text()
    assert "3 trials of 1 epoch, drawn by random search" in page and f"Number {summary['best']['number']} was" in page
    manifest = storage.read_json(outcome.home / "manifest.json")
    assert {run_files.TUNING, f"{run_files.TUNING_FOLDER}/journal.log"} <= set(manifest) and not storage.broken_files(
        outcome.home
    )
