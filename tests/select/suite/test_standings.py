"""The table of a suite: means, intervals and paired tests are Student's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from support.suites import trial
from tithe.report.words import in_english, say
from tithe.select.suite import standings, table
from tithe.select.suite.grid import Grid

STEPS = Grid([], [], []).training
HEAD = [in_english(name) for name in table.HEAD]


def cells(line: dict[str, Any]) -> list[str]:
    return [in_english(cell) for cell in table.cells(line)]


def test_standings_are_students() -> None:
    from scipy import stats

    own, rival = [0.80, 0.84, 0.82], [0.79, 0.80, 0.81]
    results = [trial("all", s, 0.9, budget=1.0) for s in range(3)]
    results += [trial("k_center", s, a) for s, a in enumerate(own)] + [
        trial("random", s, a) for s, a in enumerate(rival)
    ]
    lines = {line["strategy"]: line for line in standings.compute_standings(results)}
    assert list(lines) == ["k_center", "random", "all"]
    line = lines["k_center"]
    half = 4.302653 * np.std(own, ddof=1) / 3**0.5
    assert line["accuracy"]["mean"] == pytest.approx(0.82) and line["accuracy"]["half_width"] == pytest.approx(
        half, 1e-5
    )
    assert line["share_of_all"] == pytest.approx(0.82 / 0.9)
    assert line["against_random"]["difference"] == pytest.approx(0.02)
    assert line["against_random"]["p"] == pytest.approx(stats.ttest_rel(own, rival).pvalue)
    assert line["against_random"]["p_holm"] == line["against_random"]["p"], "a single test"
    assert lines["random"]["against_random"] is None
    single = standings.compute_standings([trial("all", 0, 0.9, 1.0), trial("el2n", 0, 0.7), trial("random", 0, 0.8)])
    assert {line["strategy"]: line["accuracy"]["half_width"] for line in single} == dict.fromkeys(
        ("all", "random", "el2n")
    )
    assert "±" not in table.text(single, STEPS).splitlines()[4]


def test_lines_are_sorted_by_budget_and_then_by_accuracy() -> None:
    results = [trial("all", 0, 0.5, budget=1.0)]
    for budget, random, own in ((0.3, 0.7, 0.8), (0.05, 0.9, 0.6), (0.1, 0.6, 0.7)):
        results += [trial("random", 0, random, budget), trial("k_center", 0, own, budget)]
    order = [(line["budget"], line["strategy"]) for line in standings.compute_standings(results)]
    assert order == [
        *[(0.05, "random"), (0.05, "k_center"), (0.1, "k_center"), (0.1, "random")],
        *[(0.3, "k_center"), (0.3, "random"), (1.0, "all")],
    ]


# p-values, and Holm's: the smallest times their number, the next times one less, never below the one before, at most 1.
HOLM = [
    ([], []),
    ([0.03], [0.03]),
    ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
    ([0.02, 0.02, 0.9], [0.06, 0.06, 0.9]),
    ([0.6, 0.7], [1.0, 1.0]),
]


@pytest.mark.parametrize(("p_values", "corrected"), HOLM)
def test_holm_known_answers(p_values: list[float], corrected: list[float]) -> None:
    assert standings.holm(p_values) == pytest.approx(corrected)


def test_p_is_corrected_for_all_budgets_and_shown_beside_the_raw_one() -> None:
    gains = {
        ("k_center", 0.1): [0.10, 0.11, 0.12],
        ("el2n", 0.1): [0.0, 0.01, 0.03],
        ("k_center", 0.3): [0.1, 0.12, 0.1],
    }
    results = [trial("random", seed, 0.5, budget) for budget in (0.1, 0.3) for seed in range(3)]
    results += [trial(name, s, 0.5 + g, budget) for (name, budget), row in gains.items() for s, g in enumerate(row)]
    lines = standings.compute_standings(results)
    tests = [line["against_random"] for line in lines if line["strategy"] != "random"]
    assert [test["p_holm"] for test in tests] == standings.holm([test["p"] for test in tests])
    assert all(test["p_holm"] >= test["p"] for test in tests) and any(test["p_holm"] > test["p"] for test in tests)
    p, corrected = HEAD.index("p"), HEAD.index("p, Holm")
    for line in lines:
        test, shown = line["against_random"], cells(line)
        expected = [f"{test['p']:.3f}", f"{test['p_holm']:.3f}"] if test else ["–", "–"]
        assert [shown[p], shown[corrected]] == expected


def test_a_tie_with_random_is_a_difference_of_zero_and_not_a_missing_one() -> None:
    """On easy data every strategy may be right everywhere."""
    read = {"reader": {"accuracy": 1.0}}
    results = [trial(name, seed, 1.0, controls=read) for name in ("random", "own") for seed in range(2)]
    random, own = sorted(standings.compute_standings(results), key=lambda line: line["strategy"] == "own")
    tie = {"difference": 0.0, "p": None, "p_holm": None}
    assert own["against_random"] == own["controls"]["reader"]["against_random"] == tie
    assert in_english(own["verdict"].words) == "not tested"
    assert random["against_random"] is random["controls"]["reader"]["against_random"] is random["verdict"] is None


def lines_of(*strategies: str, steps: dict[str, int] | None = None) -> list[dict[str, Any]]:
    results = [trial(name, 0, 0.9, budget=1.0 if name == "all" else 0.1) for name in strategies]
    for result in results:
        result["steps"] = (steps or {}).get(result["strategy"], 80)
    return standings.compute_standings(results)


def test_equal_steps_beside_all_and_random_have_nothing_against_them() -> None:
    lines = lines_of("all", "random", "k_center")
    assert table.notes(lines) == [] and "!" not in table.text(lines, STEPS)
    assert [cells(line)[HEAD.index("steps")] for line in lines] == ["80"] * 3


def test_unequal_steps_are_noted_with_the_steps_of_each() -> None:
    lines = lines_of("all", "random", "k_center", steps={"random": 8, "k_center": 8})
    note = in_english(*table.notes(lines))
    assert "(random 10 % 8, k_center 10 % 8, all 80): part of any difference is the length of training" in note
    assert f"! {note}" in table.text(lines, STEPS).splitlines()


@pytest.mark.parametrize(
    ("strategies", "says"),
    [(["random", "k_center"], "no trial on all rows"), (["all", "k_center"], "no random rows .* at 10 %")],
)
def test_missing_references_are_noted(strategies: list[str], says: str) -> None:
    note = in_english(*table.notes(lines_of(*strategies)))
    assert re.search(says, note)


# ---- controls


def controlled(reader: list[float], wrong: list[float]) -> list[dict[str, Any]]:
    """A strategy far above random, with what another reader has of its rows, and its accuracy with wrong labels."""
    gains = {
        "random": ([0.70, 0.71, 0.72], [0.8] * 3, [0.1] * 3),
        "own": ([0.8, 0.82, 0.81], reader, wrong),
    }
    results = [trial("all", seed, 0.9, 1.0, controls={"reader": {"accuracy": 0.9}}) for seed in range(3)]
    for name, columns in gains.items():
        for seed, (accuracy, read, flipped) in enumerate(zip(*columns, strict=True)):
            controls = {"reader": {"accuracy": read}, "wrong": {"accuracy": flipped}}
            results.append(trial(name, seed, accuracy, controls=controls))
    return standings.compute_standings(results)


def test_controls_are_shares_of_all_rows_and_differences_to_random() -> None:
    lines = {line["strategy"]: line for line in controlled([0.82, 0.81, 0.83], [0.18, 0.09, 0.18])}
    own, on_all = lines["own"]["controls"], lines["all"]["controls"]
    assert own["wrong"]["share_of_all"] == pytest.approx(0.15 / 0.9) and on_all["wrong"] is None
    assert own["reader"]["share_of_all"] == pytest.approx(0.82 / 0.9) and own["finetune"] is None
    gain = own["reader"]["against_random"]
    assert gain["difference"] == pytest.approx(0.02) and gain["p_holm"] == gain["p"] == pytest.approx(0.0742, abs=1e-4)
    shown = dict(zip(HEAD, cells(lines["own"]), strict=True))
    assert (shown["wrong labels"], shown["other reader"]) == ("16.7 %", "91.1 %, +0.0200")
    assert (shown["fine-tuned"], shown["verdict"]) == ("not run", "picks informative rows")
    shown = dict(zip(HEAD, cells(lines["all"]), strict=True))
    assert [shown[name] for name in ("wrong labels", "other reader", "verdict")] == ["–", "100.0 %", "–"]


def helped(*accuracies: float | None) -> list[dict[str, Any]]:
    """A strategy at .80, .82, .81 beside random rows at .70, and these with its help; None where it gave none."""
    results = [trial("all", seed, 0.9, 1.0) for seed in range(3)]
    results += [trial("random", seed, 0.7 + 0.001 * seed, controls={"help": {}}) for seed in range(3)]
    for seed, accuracy in enumerate(accuracies):
        given = {} if accuracy is None else {"accuracy": accuracy}
        results.append(trial("own", seed, (0.80, 0.82, 0.81)[seed], controls={"help": given}))
    return standings.compute_standings(results)


def test_helped_random_rows_are_a_share_of_all_and_the_strategy_stands_against_them() -> None:
    lines = {line["strategy"]: line for line in helped(0.80, 0.81, 0.82)}
    own = lines["own"]["controls"]["help"]
    assert own["share_of_all"] == pytest.approx(0.81 / 0.9) and own["accuracy"]["mean"] == pytest.approx(0.81)
    gain = own["against_helped"]
    assert gain["difference"] == pytest.approx(0) and gain["p_holm"] == gain["p"] == pytest.approx(1)
    shown = {name: dict(zip(HEAD, cells(line), strict=True)) for name, line in lines.items()}
    assert shown["own"]["helped random"] == f"90.0 %, {gain['difference']:+.4f}"
    assert shown["own"]["verdict"] == "no better than random with the same help"
    assert [shown[name]["helped random"] for name in ("random", "all")] == ["–", "–"], "they have no help"
    assert lines["random"]["controls"]["help"] == {} and lines["all"]["controls"]["help"] is None


def test_seeds_without_help_do_not_count_and_equal_accuracies_are_no_gain() -> None:
    (mixed,) = [line for line in helped(0.78, None, 0.78) if line["strategy"] == "own"]
    assert mixed["controls"]["help"]["against_helped"]["difference"] == pytest.approx(0.025)
    (equal,) = [line for line in helped(0.80, 0.82, 0.81) if line["strategy"] == "own"]
    assert equal["controls"]["help"]["against_helped"] == {"difference": 0.0, "p": None, "p_holm": None}
    assert equal["verdict"].words == say("no better than random with the same help")


@pytest.mark.parametrize(
    ("by", "words"),
    [({}, "a logistic regression on TF-IDF of words"), ({"encoder": "m/bert"}, "a logistic regression on frozen bert")],
)
def test_the_table_says_what_the_other_reader_is(by: dict[str, str], words: str) -> None:
    read = {"reader": {"accuracy": 0.5, **by}}
    results = [trial("all", 0, 0.9, 1.0), trial("random", 0, 0.7, controls=read), trial("own", 0, 0.8, controls=read)]
    lines = standings.compute_standings(results)
    assert f" Other reader: {words}." in table.text(lines, STEPS)
    assert "Other reader" not in table.text(standings.compute_standings([trial("all", 0, 0.9, 1.0)]), STEPS)


@pytest.mark.parametrize(
    ("reader", "wrong"), [([0.7, 0.71, 0.72], [0.1, 0.1, 0.1]), ([0.9, 0.91, 0.92], [0.9, 0.9, 0.89])]
)
def test_what_another_reader_or_wrong_labels_give_away_is_said(reader: list[float], wrong: list[float]) -> None:
    said = in_english(*table.verdicts(controlled(reader, wrong)))
    assert said.startswith("own 10 %: carries the model, not the data (")


def test_the_table_of_bought_labels_says_so() -> None:
    results = [trial(name, 0, 0.9, budget, track="T0") for name, budget in (("all", 1.0), ("random", 0.1))]
    lines = standings.compute_standings([*results, trial("pinned", 0, 0.9, track="T0", weighted=True)])
    names = [in_english(name) for name in table.head(lines)]
    assert "labels bought" in names and "rows" not in names
    assert in_english(table.title(lines)).endswith("track T0: labels are bought, only those of chosen rows are read")
    assert {line["strategy"]: line["track"] for line in lines} == {"all": "T0", "random": "T0", "pinned": "T0w"}
