"""Options of strategies in a suite: whose they are, and what is no option of any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tithe import config, plugins
from tithe.errors import InputError
from tithe.select.suite.grid import Grid, Trial
from tithe.select.suite.options import by_strategy, is_possible, named_strategies, split_options
from tithe.select.suite.trials import _Suite, run_suite

NAMES = ["all", "random", "entropy_diversity", "qdit_lite", "el2n"]


def run(select: dict[str, Any] | None = None) -> config.Run:
    return config.parse({"data": {"path": "rows.csv"}, **({"select": select} if select else {})})


def options(base: config.Run, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The options that each strategy is called with, where there are any."""
    suite = _Suite(*by_strategy(base, NAMES, given), Grid(NAMES, [0.1], [0]))
    settings = {name: dict(suite.settings(Trial(name, 0.1, 0)).options) for name in NAMES}
    return {name: own for name, own in settings.items() if own}


# The config's `select`, options of the command line, and what each strategy gets.
CASES: list[tuple[dict[str, Any] | None, dict[str, Any], dict[str, dict[str, Any]]]] = [
    (None, {}, {}),
    (None, {"weight": 0.3}, {"entropy_diversity": {"weight": 0.3}, "qdit_lite": {"weight": 0.3}}),
    (None, {"qdit_lite.weight": 0.3}, {"qdit_lite": {"weight": 0.3}}),
    (
        None,
        {"qdit_lite.weight": 0.9, "weight": 0.3, "drop_hardest": 0},
        {"entropy_diversity": {"weight": 0.3}, "qdit_lite": {"weight": 0.9}, "el2n": {"drop_hardest": 0}},
    ),
    ({"strategy": "qdit_lite", "options": {"weight": 0.3}}, {}, {"qdit_lite": {"weight": 0.3}}),
    (
        {"strategy": "qdit_lite", "options": {"weight": 0.3}},
        {"weight": 0.7},
        {"entropy_diversity": {"weight": 0.7}, "qdit_lite": {"weight": 0.7}},
    ),
    ({"options": {"weight": 0.3}}, {}, {"entropy_diversity": {"weight": 0.3}, "qdit_lite": {"weight": 0.3}}),
    (
        {"options": {"weight": 0.3}},
        {"weight": 0.7, "qdit_lite.weight": 0.1},
        {"entropy_diversity": {"weight": 0.7}, "qdit_lite": {"weight": 0.1}},
    ),
    (
        {"options": {"qdit_lite": {"weight": 0.3}, "el2n": {"drop_hardest": 0}}},
        {},
        {"qdit_lite": {"weight": 0.3}, "el2n": {"drop_hardest": 0}},
    ),
]


@pytest.mark.parametrize(("select", "given", "expected"), CASES, ids=[f"{s} {g}" for s, g, _ in CASES])
def test_each_strategy_gets_its_options(
    select: dict[str, Any] | None, given: dict[str, Any], expected: dict[str, dict[str, Any]]
) -> None:
    assert options(run(select), given) == expected


WRONG = [
    ({"wieght": 1}, "no strategy of the suite has an option 'wieght': did you mean 'weight'?"),
    ({"k_center.weight": 1}, "option k_center.weight: the suite has no strategy 'k_center': "),
    ({"el2n.weight": 1}, "unknown key 'weight' in select.options of el2n"),
    ({"weight": 7}, "weight = 7 should be less than or equal to 1"),
]


@pytest.mark.parametrize(("given", "says"), WRONG, ids=[next(iter(given)) for given, _ in WRONG])
def test_a_wrong_option_is_found_before_anything_runs(given: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:  # the data file, which is not there, would be the next mistake
        run_suite(run(), Grid(NAMES, [0.1], [0], options=given), tmp_path / "suite")
    assert says in str(caught.value) and not (tmp_path / "suite").exists()


def test_other_options_are_another_trial_and_none_are_as_before(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("text,label\n")
    base = config.parse({"data": {"path": str(data)}})
    names = []
    for given in ({}, {"weight": 0.3}, {"weight": 0.4}):
        suite = _Suite(*by_strategy(base, NAMES, given), Grid(NAMES, [0.1], [0]))
        names.append({name: suite.file_name(Trial(name, 0.1, 0), {}) for name in NAMES})
    assert len({files["qdit_lite"] for files in names}) == 3 and len({files["el2n"] for files in names}) == 1


SPECS: list[tuple[list[str], list[str], dict[str, Any]]] = [
    (["k_center", " random", ""], ["k_center", "random"], {}),
    (["qdit_lite:weight=0.3"], ["qdit_lite"], {"qdit_lite.weight": 0.3}),
    (["a:x=1", "a:y=two", "a:x=1"], ["a"], {"a.x": 1, "a.y": "two"}),
    (["own/pick.er.py:least=6"], ["own/pick.er.py"], {"pick.er.least": 6}),
    (["c:/own.py:least=[1, 2]"], ["c:/own.py"], {"own.least": [1, 2]}),
    (["a:time=10:30", "a:b"], ["a", "a:b"], {"a.time": "10:30"}),
    (["~/own.py:least=6"], ["HOME/own.py"], {"own.least": 6}),
]


@pytest.mark.parametrize(("texts", "names", "expected"), SPECS, ids=[" ".join(texts) for texts, *_ in SPECS])
def test_a_strategy_is_named_with_its_option(
    texts: list[str], names: list[str], expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = named_strategies(texts)
    assert found == ([name.replace("HOME", str(tmp_path)) for name in names], expected)


def test_two_values_of_one_option_are_refused() -> None:
    with pytest.raises(InputError, match=r"strategy a has x=1 and x=2: a suite has one line for a strategy, so choose"):
        named_strategies(["a:x=1", "b:x=2", "a:x=2"])
    assert split_options("a:x=") == ("a", {"x": None})


def test_a_suite_of_all_strategies_has_those_of_its_track_whose_files_are_given() -> None:
    def possible(**select: Any) -> set[str]:
        settings = config.Select(**select)
        return {name for name, module in plugins.own("strategies") if is_possible(module, settings)}

    assert possible() >= {*NAMES} and not possible() & {"scores", "margin"}
    assert possible(scores="scores.parquet") == possible() | {"scores"}
    assert possible(track="T0") > {"all", "random", "margin", "k_center"} and "el2n" not in possible(track="T0")
