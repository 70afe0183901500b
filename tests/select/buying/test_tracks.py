"""A strategy is for the track whose labels it may read; the other is refused before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from tithe import config, pipeline, plugins
from tithe.errors import InputError
from tithe.select import entry
from tithe.select.buying.tracks import track_of

Settings = Callable[..., dict[str, Any]]


def test_strategies_of_each_track() -> None:
    tracks = {name: track_of(module) for name, module in plugins.each("strategies")}
    buying = {"margin", "badge", "herding", "mix"}
    assert {name for name, track in tracks.items() if track == "T0"} == buying
    assert {"el2n", "ifd"} <= {name for name, track in tracks.items() if track == "T1"}
    assert {"random", "auto", "k_center", "typiclust", "prob_cover", "all"} <= {
        n for n, track in tracks.items() if track is None
    }


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"strategy": "el2n", "track": "T0"}, "el2n reads proxy_probs, which needs all labels"),
        ({"strategy": "margin", "rounds": 2}, "set select.track to T0 and select.rounds to 10"),
        ({"strategy": "margin", "track": "T0"}, "margin reads the probabilities of a model of the labels bought so"),
        ({"strategy": "margin", "track": "T0", "rounds": 3, "first": "ifd"}, "ifd reads conditional_loss"),
        ({"strategy": "random", "track": "T2"}, "T0"),
        ({"strategy": "auto", "rounds": 3}, "select.rounds 3 with auto in track T1: it decides once"),
    ],
)
def test_a_strategy_of_the_other_track_is_refused(asked: dict[str, Any], says: str, settings: Settings) -> None:
    with pytest.raises(InputError) as caught:
        pipeline.check(config.parse(settings(select=asked)))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_where_labels_are_bought_nothing_is_divided_among_classes_unless_it_is_asked_for() -> None:
    assert config.Select(track="T0").balance == "none" and config.Select(track="T0").floor == 0
    assert config.Select(track="T0", balance="uniform").balance == "uniform"
    assert config.Select().balance == "stratified" and config.Select().floor == 1


DECIDES = """
from tithe.select.buying.evidence import Decision

NEEDS = ("embeddings", "probs")


def decide(evidence, options):
    return Decision("margin" if evidence else "typiclust", "")
"""


def test_one_that_decides_by_bought_labels_alone_is_of_their_track(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(DECIDES)
    raw = settings(model={"freeze": "all"}, select={"strategy": str(file), "track": "T0", "rounds": 2, "budget": 0.2})
    assert [each["strategy"] for each in entry.select(raw).rounds] == ["typiclust", "margin"]
    with pytest.raises(InputError, match=r"mine chooses rows whose labels are to be bought: set select.track to T0"):
        pipeline.check(config.parse(settings(select={"strategy": str(file)})))


def test_an_unknown_track_is_one_line() -> None:
    with pytest.raises(InputError, match=r"strategy mine.py has TRACK = 'T7': it should be 'T0', 'T1' or 'both'"):
        track_of(cast("ModuleType", SimpleNamespace(__file__="mine.py", NEEDS=(), TRACK="T7")))
