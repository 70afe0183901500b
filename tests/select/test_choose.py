"""A run trains on the rows that were chosen, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tithe import config, data, pipeline, storage
from tithe.errors import InputError

Settings = Callable[..., dict[str, Any]]


@pytest.mark.usefixtures("drawn")
def test_a_run_trains_on_what_was_chosen_and_on_nothing_else(settings: Settings) -> None:
    raw = settings(model={"freeze": "all"}, select={"strategy": "k_center", "budget": 0.25})
    outcome = pipeline.train(config.parse(raw))
    picked = pq.read_table(outcome.home / "selection.parquet").column("id").to_numpy()
    splits = data.load(config.parse(raw).data, 0)
    assert len(picked) == 24 and set(picked) <= set(splits.rows.ids[splits.split.train])
    account = storage.read_json(outcome.home / "selection.json")
    assert account["rows"] == 24 and account["pool"] == 96 and sum(account["classes"]["chosen"]) == 24
    assert storage.read_json(outcome.home / "data_report.json")["splits"]["train_selected"] == 24
    with Image.open(outcome.home / "selection.png") as picture:
        assert picture.width > 400
    assert "k_center chose 24 of 96 training rows" in (outcome.home / "train.log").read_text()
    assert storage.broken_files(outcome.home) == []
    again = pipeline.train(config.parse({**raw, "out": f"{outcome.home}-again"}))
    assert again.scores["training"]["final_weights_sha256"] == outcome.scores["training"]["final_weights_sha256"]


@pytest.mark.parametrize(
    "asked, says",
    [
        ({"strategy": "k_centre"}, "did you mean 'k_center'"),
        ({"rounds": 2, "first": "rando"}, "did you mean 'random'"),
        ({"strategy": "lexical_diversity", "rounds": 3}, "select.rounds 3 with lexical_diversity"),
        ({"strategy": "sensitivity", "rounds": 2}, "select.rounds 2 with sensitivity, which chooses all rows at once"),
        ({"strategy": "el2n", "options": {"drop_hardest": 2.0}}, "drop_hardest = 2.0 should be less than 1"),
    ],
)
def test_a_wrong_selection_shows_before_anything_is_read(asked: dict[str, Any], says: str, settings: Settings) -> None:
    with pytest.raises(InputError) as caught:
        pipeline.check(config.parse(settings(select=asked)))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_all_rows_chosen_is_no_selection(settings: Settings, tmp_path: Path) -> None:
    hashes = {
        pipeline.train(config.parse(settings(out=str(tmp_path / name), **chosen))).scores["training"][
            "final_weights_sha256"
        ]
        for name, chosen in (("plain", {}), ("all", {"select": {"strategy": "all"}}))
    }
    assert len(hashes) == 1


def test_a_selection_is_part_of_what_a_checkpoint_is_of(settings: Settings) -> None:
    raw = settings(select={"strategy": "random", "budget": 0.5})
    pipeline.train(config.parse(raw))
    other = {**raw, "select": {"strategy": "random", "budget": 0.25}, "checkpoint": {"resume": "auto"}}
    with pytest.raises(InputError, match="has different select"):
        pipeline.train(config.parse(other))
