"""A strategy is for the track whose labels it may read; the other is refused before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tithe import config, pipeline, plugins
from tithe.errors import InputError
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
