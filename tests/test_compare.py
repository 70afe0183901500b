"""Honest comparison: known answers for chance and stability, a cause for every note, and pages from real runs."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import make_texts, write_rows
from tithe import config, metrics, pipeline, proof, records
from tithe.compare import NO_EFFECT, Comparison, cautions, chance, compare, steadiness
from tithe.compare import page as comparison_page
from tithe.errors import InputError, TitheError

HOSTILE = "a<b>&c"
Make = Callable[[str, str], Path]

# Each run by its name: what it sets beside the base, and what sets it apart in `data`.
RUNS: dict[str, dict[str, Any]] = {
    "base": {},
    "lame": {"train": {"learning_rate": 1e-9}},
    "eager": {"train": {"learning_rate": 1e-2, "epochs": 12}},
    "seed": {"seed": 1},
    "data": {},
    "frozen": {"model": {"freeze": "all"}, "train": {"learning_rate": 1e-2}},
    "untested": {"data": {"test_ratio": 0.0}, "checkpoint": {"best_by": "loss"}},
    "diverged": {"train": {"learning_rate": 1e30, "clip_norm": 0.0}},
}


@pytest.fixture(scope="module")
def made(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of the real pipeline for each entry of RUNS."""
    folder = tmp_path_factory.mktemp("runs")
    texts, labels = make_texts(80)
    # A tenth of the labels is wrong: they can be learned by heart and nothing else.
    labels = [label if i % 5 else "space" for i, label in enumerate(labels)]
    rows = write_rows(tmp_path_factory.mktemp("rows") / "rows.parquet", texts, labels)
    other = write_rows(tmp_path_factory.mktemp("other") / "rows.parquet", *make_texts(60, classes=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITHE_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name, sections in RUNS.items():
            train(folder / name, other if name == "data" else rows, tiny_bert, sections)
    return folder


def train(home: Path, rows: Path, encoder: Path, sections: dict[str, Any]) -> None:
    raw: dict[str, Any] = {
        "name": home.name,
        "out": str(home),
        "data": {"path": str(rows), "val_ratio": 0.2, "test_ratio": 0.3},
        "model": {"encoder": str(encoder), "max_length": 32},
        "train": {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3, "precision": "no", "device": "cpu"},
        "track": {"tensorboard": False},
    }
    raw["train"]["log_every_steps"] = 1
    for section, values in sections.items():
        raw[section] = {**raw.get(section, {}), **values} if isinstance(values, dict) else values
    try:
        pipeline.train(config.parse(raw))
    except TitheError:
        assert home.name == "diverged"


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Make:
    """Copy what a comparison reads of a run, to be changed."""

    def copied(name: str, as_name: str) -> Path:
        target = tmp_path / "copies" / as_name
        shutil.copytree(made / name, target, ignore=shutil.ignore_patterns("checkpoints", "assets", "*.png"))
        return target

    return copied


def edit(path: Path, change: Callable[[Any], object]) -> None:
    value = records.read_json(path)
    change(value)
    records.write_json(path, value)


def kinds(comparison: Comparison, name: str) -> set[str]:
    """The kinds of notes about a run; whether it overfits or is within chance is the subject of tests of their own."""
    found = {note.kind for note in comparison.notes if name in note.runs}
    return found - {"overfitting", "chance"}


def noted(comparison: Comparison, kind: str) -> list[str]:
    return [str(note) for note in comparison.notes if note.kind == kind]


# ---- chance


def answers(rows: int, classes: int, right: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, answers that are right in some share of the rows, and probabilities of the label."""
    rng = np.random.default_rng(seed)
    label_N = np.random.default_rng(7).choice(classes, rows, p=np.arange(1, classes + 1) / np.arange(classes + 1).sum())
    guess_N = rng.integers(0, classes, rows)
    sure_N = rng.random(rows)
    return label_N, np.where(sure_N < right, label_N, guess_N), np.clip(1 - sure_N, 1e-3, 1)


def naive(score: str, label_N: np.ndarray, first: chance.Answers, second: chance.Answers) -> np.ndarray:
    """The interval of the difference by resampling rows, one draw at a time, with the scores of `metrics`."""
    rng, classes, rows = np.random.default_rng(5), int(label_N.max()) + 1, len(label_N)

    def value(answer: chance.Answers, pick_N: np.ndarray) -> float:
        if score == "loss":
            return float(-np.log(answer.probability_of_label_N[pick_N]).mean())
        probs_NC = np.eye(classes)[answer.predicted_N[pick_N]]
        return metrics.summary(label_N[pick_N], probs_NC)[score]

    picks = (rng.integers(0, rows, rows) for _ in range(2000))
    return np.percentile([value(second, pick_N) - value(first, pick_N) for pick_N in picks], [2.5, 97.5])


@pytest.mark.parametrize("score", ["accuracy", "f1", "loss"])
@pytest.mark.parametrize("classes", [2, 6])
def test_the_interval_is_that_of_resampled_rows(score: str, classes: int) -> None:
    label_N, *first = answers(400, classes, 0.7, seed=1)
    second = answers(400, classes, 0.75, seed=2)[1:]
    one, other = chance.Answers(*first), chance.Answers(*second)
    found = chance.difference(score, label_N, one, other)
    low, high = naive(score, label_N, one, other)
    assert found.low < found.value < found.high
    # A percentile of 2,000 draws is uncertain by about 5 % of the interval's width.
    assert [found.low, found.high] == pytest.approx([low, high], abs=0.06 * (high - low))
    assert chance.difference(score, label_N, one, other) == found


@pytest.mark.parametrize("score", ["accuracy", "f1", "loss"])
def test_the_difference_is_that_of_the_metrics(score: str) -> None:
    label_N, *first = answers(300, 5, 0.6, seed=1)
    second = answers(300, 5, 0.9, seed=2)[1:]

    def value(predicted_N: np.ndarray, p_N: np.ndarray) -> float:
        return (
            float(-np.log(p_N).mean()) if score == "loss" else metrics.summary(label_N, np.eye(5)[predicted_N])[score]
        )

    found = chance.difference(score, label_N, chance.Answers(*first), chance.Answers(*second))
    assert found.value == pytest.approx(value(*second) - value(*first), abs=1e-12)


def test_a_class_that_is_nowhere_does_not_count() -> None:
    label_N, predicted_N, p_N = answers(300, 3, 0.6, seed=1)
    one, other = chance.Answers(predicted_N, p_N), chance.Answers(answers(300, 3, 0.8, seed=2)[1], p_N)
    spread = [chance.Answers(2 * answer.predicted_N, p_N) for answer in (one, other)]
    found = chance.difference("f1", 2 * label_N, *spread)
    assert found == pytest.approx(chance.difference("f1", label_N, one, other), abs=1e-12)


@pytest.mark.parametrize("score", ["accuracy", "f1", "loss"])
def test_equal_answers_do_not_differ_and_better_ones_do(score: str) -> None:
    label_N, predicted_N, _ = answers(500, 4, 0.5, seed=1)
    poor = chance.Answers(predicted_N, np.full(500, 0.3))
    good = chance.Answers(np.where(np.arange(500) % 10, label_N, predicted_N), np.full(500, 0.8))
    assert chance.difference(score, label_N, poor, poor) == (0, 0, 0)
    assert not chance.difference(score, label_N, poor, poor).beyond_chance
    found = chance.difference(score, label_N, poor, good)
    assert found.beyond_chance and (found.value > 0) == (score != "loss")
    back = chance.difference(score, label_N, good, poor)
    assert back.beyond_chance and back.value == pytest.approx(-found.value)


def test_one_row_is_within_chance() -> None:
    label_N, predicted_N, p_N = answers(500, 4, 0.9, seed=1)
    other_N = predicted_N.copy()
    wrong = int(np.flatnonzero(predicted_N != label_N)[0])
    other_N[wrong] = label_N[wrong]
    for score in ("accuracy", "f1"):
        one, other = chance.Answers(predicted_N, p_N), chance.Answers(other_N, p_N)
        found = chance.difference(score, label_N, one, other)
        assert found.value > 0 and not found.beyond_chance


def test_draws_in_blocks_are_all_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    label_N, predicted_N, p_N = answers(200, 3, 0.5, seed=1)
    other = chance.Answers(answers(200, 3, 0.6, seed=2)[1], p_N / 2)
    whole = {s: chance.difference(s, label_N, chance.Answers(predicted_N, p_N), other) for s in metrics.DIRECTION}
    monkeypatch.setattr(chance, "_AT_ONCE", 1000)
    for score, found in whole.items():
        assert chance.difference(score, label_N, chance.Answers(predicted_N, p_N), other) == found


# ---- stability and overfitting


def test_a_smooth_loss_has_no_scatter() -> None:
    assert steadiness.stability([0.7] * 40, 2) == (0, 0, "steady")
    falling = steadiness.stability(list(np.linspace(2, 1, 60)), 2)
    assert falling and falling.spikes == 0 and falling.scatter < 0.01 and falling.word == "steady"


def test_a_spike_is_counted_and_a_few_of_them_are_no_jumpy_run() -> None:
    losses = [0.5] * 100
    losses[50] = 5.0
    found = steadiness.stability(losses, 2)
    assert found and found.spikes == 1 and found.word == "restless"
    assert found.scatter == pytest.approx((4.5 / 100) / np.log(2))
    assert steadiness.stability([*losses, *([0.5] * 50)], 2).word == "steady"


def test_the_measure_is_the_loss_of_a_guess_among_the_classes() -> None:
    losses = [0.1, 0.9] * 50
    of_two, of_many = (steadiness.stability(losses, classes) for classes in (2, 50))
    assert of_two and of_many and of_two.scatter == pytest.approx(of_many.scatter * np.log(50) / np.log(2))
    assert of_two.word == "jumpy" and of_many.word == "steady"


def test_near_zero_many_times_the_median_is_no_spike() -> None:
    losses = [0.01] * 50
    losses[25] = 0.1
    found = steadiness.stability(losses, 2)
    assert found and found.spikes == 0


@pytest.mark.parametrize(("noise", "word"), [(0.1, "steady"), (0.26, "restless"), (0.6, "jumpy")])
def test_scatter_has_a_word(noise: float, word: str) -> None:
    losses = (0.7 + noise * np.random.default_rng(0).normal(size=400)).clip(0)
    found = steadiness.stability(list(losses), 2)
    assert found and found.word == word


def test_what_is_too_short_is_not_judged() -> None:
    assert steadiness.stability([0.5] * 10, 2) is None
    assert steadiness.stability([0.5] * 11, 2) == (0, 0, "steady")
    assert steadiness.overfitting([]) is None


def test_the_running_median_mirrors_the_ends() -> None:
    rising = np.arange(20.0)
    median_N = steadiness.running_median(rising)
    assert median_N[5:15].tolist() == rising[5:15].tolist()
    assert median_N[0] == np.median([5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5])
    assert median_N.shape == steadiness.running_median(rising, 101).shape == (20,)


@pytest.mark.parametrize(
    ("losses", "rise", "epoch"),
    [([0.9, 0.5, 0.6], 0.2, 2), ([0.9, 0.8], 0.0, 2), ([0.5, 0.5], 0.0, 1), ([0.2, 0.0, 1e-5], 0.01, 2)],
)
def test_overfitting_is_the_rise_after_the_minimum(losses: list[float], rise: float, epoch: int) -> None:
    found = steadiness.overfitting(losses)
    assert found and found.rise == pytest.approx(rise) and found.best_epoch == epoch


# ---- notes, each with its cause


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lame", set()),
        ("eager", {"factors"}),
        ("seed", {"seed", "split"}),
        ("data", {"data"}),
        ("frozen", {"factors"}),
        ("untested", {"split", "unjudged", "best_by", "factors"}),
        ("diverged", {"factors", "unfinished"}),
    ],
)
def test_a_run_has_the_notes_it_deserves_and_no_others(made: Path, name: str, expected: set[str]) -> None:
    found = compare([made / "base", made / name])
    assert kinds(found, name) == expected
    assert kinds(found, "base") == set()


def test_notes_say_what_it_is(made: Path) -> None:
    found = compare([made / name for name in ("base", "eager", "seed", "untested", "diverged")])
    assert noted(found, "factors") == [
        "eager: 2 settings differ from base (train.epochs, train.learning_rate): can't tell which made the difference",
        "untested: 2 settings differ from base (data.test_ratio, checkpoint.best_by): can't tell which made the "
        "difference",
        "diverged: 2 settings differ from base (train.learning_rate, train.clip_norm): can't tell which made the "
        "difference",
    ]
    assert noted(found, "seed") == ["seed: other seed (1) than base (0): a part of any difference is luck"]
    assert "chosen by loss, that of base by f1" in noted(found, "best_by")[0]
    assert noted(found, "unfinished") == ["diverged: not finished (0 of 2 epochs done), so its scores are left out"]
    assert noted(found, "split") == [
        "seed, untested: other rows in validation or test than base: the scores are not comparable"
    ]
    # The gravest stand first.
    assert [note.kind for note in found.notes] == sorted(
        (note.kind for note in found.notes), key=list(cautions._KINDS).index
    )


@pytest.mark.parametrize(
    ("file", "change", "key"),
    [
        ("environment.json", lambda e: e["packages"].update(torch="2.0"), "torch"),
        ("environment.json", lambda e: e.update(cpu_count=e["cpu_count"] + 1), "cpu_count"),
        ("metrics.json", lambda m: m["training"].update(device="cuda"), "device"),
        ("metrics.json", lambda m: m["training"].update(precision="bf16"), "precision"),
    ],
)
def test_other_machines_are_named(copy: Make, made: Path, file: str, change: Callable[[Any], object], key: str) -> None:
    home = copy("base", "elsewhere")
    edit(home / file, change)
    found = compare([made / "base", home])
    assert noted(found, "machine") == [
        f"elsewhere: other {key} than base: times and last bits are not comparable",
    ]
    # The precision that was decided changes results, whatever was asked for.
    assert list(found.factors) == (["train.precision"] if key == "precision" else [])


def test_one_other_setting_is_one_factor(made: Path, copy: Make) -> None:
    home = copy("base", "by_loss")
    edit(home / "config.json", lambda c: c["checkpoint"].update(best_by="loss"))
    found = compare([made / "base", home])
    assert kinds(found, "by_loss") == {"best_by"}
    assert found.factors == {"checkpoint.best_by": ["f1", "loss"]}


def test_overfitting_is_noted_beyond_five_percent(made: Path, copy: Make) -> None:
    found = compare([made / "eager", made / "base"])
    rise = found.runs[0].overfitting
    assert rise and rise.rise > 0.05
    assert noted(found, "overfitting")[0].startswith(f"eager: its validation loss rose by {100 * rise.rise:.0f} %")
    home = copy("base", "calm")
    history = [{**r, "loss": 0.5 + 0.02 * r["epoch"]} for r in records.read_lines(home / "history.jsonl")]
    records.write_lines(home / "history.jsonl", history)
    assert "calm" not in str(noted(compare([made / "base", home]), "overfitting"))  # 4 % from 0.52


def test_chance_is_noted_when_the_interval_holds_zero(made: Path, copy: Make) -> None:
    twin = copy("base", "twin")
    found = compare([made / "base", twin, made / "lame"])
    _, same, lame = found.runs
    assert same.difference == (0, 0, 0)
    assert lame.difference and lame.difference.beyond_chance and lame.difference.value < 0
    scores = [records.read_json(made / name / "metrics.json")["test_score"] for name in ("base", "lame")]
    assert lame.difference.value == pytest.approx(scores[1] - scores[0], abs=1e-12)
    assert [note.runs for note in found.notes if note.kind == "chance"] == [("twin",)]


def test_other_rows_or_no_predictions_are_not_judged(made: Path, copy: Make) -> None:
    bare = copy("lame", "bare")
    (bare / "test" / "predictions.parquet").unlink()
    found = compare([made / "base", bare, made / "seed", made / "data", made / "diverged"])
    assert [run.difference for run in found.runs] == [None] * 5
    assert [note.runs for note in found.notes if note.kind == "unjudged"] == [("bare",)]


# ---- the freeze proof


def tampered(change: Callable[[Any], object]) -> Callable[[Path], None]:
    return lambda home: edit(home / "freeze_proof.json", change)


def first_tensor(proof: Any) -> Any:
    return next(iter(proof["tensors"].values()))


def broken(found: Any) -> None:
    """What the pipeline would have written, had a frozen tensor changed."""
    next(iter(found["tensors"].values()))["after"] = "0" * 64
    found.update(proof.content(found["freeze"], found["tensors"]))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda home: (home / "freeze_proof.json").unlink(), "there is no freeze_proof.json"),
        (tampered(broken), "model.freeze is all, but 1 frozen tensors changed"),
        (tampered(lambda p: p["overall"].update(after="0" * 64)), "contradicts itself"),
        (tampered(lambda p: first_tensor(p).update(after="0" * 64)), "contradicts itself"),
        (tampered(lambda p: first_tensor(p).update(frozen=False)), "contradicts itself"),
        (tampered(lambda p: p.update(holds=False)), "contradicts itself"),
        (tampered(lambda p: p["tensors"].popitem()), "contradicts itself"),
        (tampered(lambda p: (broken(p), p.update(holds=True, changed=[]))), "contradicts itself"),
        (tampered(lambda p: p.update(freeze=1)), "contradicts itself or the config"),
    ],
)
def test_a_freeze_that_is_not_proven_is_noted(
    made: Path, copy: Make, change: Callable[[Path], None], text: str
) -> None:
    home = copy("frozen", "changed")
    change(home)
    found = compare([made / "frozen", home])
    assert [note.runs for note in found.notes if note.kind == "freeze"] == [("changed",)]
    assert text in noted(found, "freeze")[0]
    cell = dict(comparison_page.result_rows(found))["freeze"]
    assert cell[0] == "all, proven" and cell[1] != cell[0]


def test_an_unfinished_run_owes_no_proof(made: Path, copy: Make) -> None:
    home = copy("frozen", "stopped")
    for name in ("freeze_proof.json", "metrics.json"):
        (home / name).unlink()
    found = compare([made / "frozen", home])
    assert kinds(found, "stopped") == {"unfinished"}
    assert noted(found, "unfinished") == ["stopped: not finished (2 of 2 epochs done), so its scores are left out"]
    assert found.runs[1].score("test_score") is None and found.runs[1].stability


# ---- what differs


def test_settings_without_effect_are_no_factors(made: Path, copy: Make) -> None:
    home = copy("base", "same")

    def change(c: Any) -> None:
        c["data"].update(path="elsewhere.csv", reader="csv", num_workers=2)
        c["model"].update(hidden_dim=7)  # the head is linear
        c["train"].update(num_cycles=3.0, log_every_steps=9, device="auto", cache_features=False)
        c["checkpoint"].update(keep=9, every_batches=3)
        c["track"].update(tensorboard=True)

    edit(home / "config.json", change)
    found = compare([made / "base", home])
    assert found.factors == {} and found.runs[1].differing == {}
    assert "all alike" in comparison_page.text(found)


def test_a_setting_that_follows_from_another_is_shown_and_not_counted(made: Path, copy: Make) -> None:
    narrow, wide = copy("base", "narrow"), copy("base", "wide")
    for home, width in ((narrow, 64), (wide, 128)):
        edit(home / "config.json", lambda c, w=width: c["model"].update(head="mlp", hidden_dim=w))
    found = compare([made / "base", narrow, wide])
    assert found.factors == {"model.head": ["linear", "mlp", "mlp"], "model.hidden_dim": [NO_EFFECT, 64, 128]}
    assert [list(run.differing) for run in found.runs] == [[], ["model.head"], ["model.head"]]
    assert noted(found, "factors") == []
    assert noted(compare([narrow, made / "base", wide]), "factors") == []


def test_data_are_told_apart_by_what_is_in_them(made: Path, copy: Make) -> None:
    moved = copy("base", "moved")
    edit(moved / "data_report.json", lambda report: report.update(file="renamed.csv"))
    assert compare([made / "base", moved]).factors == {}
    values = compare([made / "base", made / "data"]).factors["data"]
    assert values[0] != values[1] and "2 classes" in values[0] and "3 classes" in values[1]


# ---- which runs


def test_a_folder_stands_for_its_runs_and_a_run_counts_once(made: Path) -> None:
    found = compare([made / "lame", made, made / "seed" / ".." / "lame"])
    assert [run.files.name for run in found.runs] == ["lame", *(name for name in sorted(RUNS) if name != "lame")]


def test_runs_of_the_same_name_are_told_apart(made: Path, copy: Make) -> None:
    found = compare([made / "base", copy("base", "base")])
    assert [run.files.name for run in found.runs] == [f"{made.name}/base", "copies/base"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["base", "nowhere"], r"no folder .*nowhere .*: pass run directories, or a folder of them"),
        (["base", "base/assets/encoder"], r"encoder holds no run .*: pass run directories"),
        (["base", "base/metrics.json"], r"metrics.json holds no run"),
        (["base"], r"one run only \(.*base\): name two or more"),
        (["base", "base/"], r"one run only"),
        ([], r"no run: name two or more"),
    ],
)
def test_a_wrong_path_is_an_error_with_its_cure(made: Path, paths: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        compare([made / path for path in paths])
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_named(made: Path, copy: Make) -> None:
    home = copy("base", "torn")
    (home / "test" / "predictions.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"predictions\.parquet can't be read"):
        compare([made / "base", home])
    (home / "metrics.json").write_text("{")
    with pytest.raises(InputError, match=r"metrics\.json is not JSON"):
        compare([made / "base", home])


# ---- for programs and for people

RUN_KEYS = [
    *("home", "name", "finished", "config_differences", "score", "best_val_score", "test_score", "test_interval_95"),
    *("epochs", "best_epoch", "seconds", "seconds_per_epoch", "parameters_trained", "stability", "overfitting"),
    *("freeze", "difference_to_first"),
]


def test_json_has_stable_keys_and_the_runs_own_numbers(made: Path) -> None:
    found = json.loads(json.dumps(compare([made]).as_json(), allow_nan=False))
    assert list(found) == ["runs", "factors", "notes"]
    assert all(list(run) == RUN_KEYS for run in found["runs"])
    assert all(list(note) == ["kind", "text", "runs"] for note in found["notes"])
    assert all(len(values) == len(found["runs"]) for values in found["factors"].values())
    runs = {run["name"]: run for run in found["runs"]}
    assert list(runs["eager"]["stability"]) == ["scatter", "spikes", "word"]
    assert runs["frozen"]["freeze"] == {
        "asked": "all",
        "verdict": "frozen: no frozen tensor changed",
        "holds": True,
    }
    assert runs["eager"]["config_differences"] == {"train.epochs": 12, "train.learning_rate": 1e-2}
    assert list(runs["eager"]["difference_to_first"]) == [*("score", "interval_95", "beyond_chance")]
    for name in ("eager", "untested"):
        result = records.read_json(made / name / "metrics.json")
        assert runs[name]["best_val_score"] == result["best_val_score"]
        assert runs[name]["test_score"] == result["test_score"]
        assert runs[name]["seconds"] == result["training"]["seconds"] + result["training"]["preparation_seconds"]
    assert (
        runs["base"]["test_interval_95"] == records.read_json(made / "base/metrics.json")["test"]["interval_95"]["f1"]
    )
    assert not runs["diverged"]["finished"] and runs["diverged"]["best_val_score"] is None


def test_few_runs_are_columns_and_many_are_rows(made: Path) -> None:
    few = comparison_page.text(compare([made / "base", made / "eager", made / "diverged"])).splitlines()
    assert few[0].split() == ["base", "eager", "diverged"]
    assert few[1].split() == ["train.epochs", "2", "12", "2"]
    many = comparison_page.text(compare([made])).splitlines()
    assert many[0].split()[0] == "seed" and [line.split()[0] for line in many[1:4]] == sorted(RUNS)[:3]
    for lines in (few, many):
        blank = lines.index("")
        assert len({len(line) for line in lines[:blank]}) == 1, "the columns are not aligned"
        notes = [i for i, line in enumerate(lines) if line.startswith("! ")]
        assert notes == list(range(notes[0], len(lines))), "the notes do not stand last"


def test_the_table_says_what_came_out(made: Path) -> None:
    found = compare([made / "base", made / "lame", made / "diverged", made / "untested"])
    table = dict(comparison_page.result_rows(found))
    scores = [records.read_json(made / name / "metrics.json") for name in ("base", "lame")]
    shown = [f"{result['best_val_score']:.4f} f1" for result in scores]
    assert table["best validation score"][:3] == [*shown, "–"] and table["best validation score"][3].endswith(" loss")
    assert table["  beyond chance"][:3] == ["–", "worse", "–"]
    assert table["epochs"] == ["2", "2", "0 of 2", "2"]
    back = compare([made / "lame", made / "base"])
    assert dict(comparison_page.result_rows(back))["  beyond chance"] == ["–", "better"]


def test_less_loss_is_better(made: Path, copy: Make) -> None:
    poor = copy("lame", "poor")
    edit(poor / "config.json", lambda c: c["checkpoint"].update(best_by="loss"))
    found = compare([poor, made / "base"])
    assert found.runs[1].difference and found.runs[1].difference.value < 0
    assert dict(comparison_page.result_rows(found))["  beyond chance"] == ["–", "better"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (9.21, "9.2 s"), (200, "3 min 20 s"), (3599.7, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_times_are_readable(seconds: float | None, shown: str) -> None:
    assert comparison_page._time(seconds) == shown


@pytest.mark.parametrize("names", [["base", "lame", "diverged"], list(RUNS)])
def test_the_page_needs_no_other_file_and_escapes_names(
    made: Path, copy: Make, tmp_path: Path, names: list[str]
) -> None:
    found = compare([copy("eager", HOSTILE), *(made / name for name in names)])
    comparison_page.html(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    links = re.findall(r"""\b(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]+)""", page)
    assert len(links) == 3 and all(link.startswith("data:image/png;base64,") for link in links)
    assert not re.search(r"https?://|@import|url\(|<script|<link", page)
    assert HOSTILE not in page and html.escape(HOSTILE) in page
    for note in found.notes:
        assert html.escape(note.text) in page
    for run in found.runs:
        assert run.score("test_score") is None or f"{run.score('test_score'):.4f}" in page
    assert page.index('<ul class="notes">') < page.index("What differs") < page.index("What came out")


def test_a_comparison_with_nothing_to_heed_says_so(made: Path, tmp_path: Path) -> None:
    found = compare([made / "base", made / "lame"])
    calm = Comparison(found.runs, found.factors, ())
    comparison_page.html(calm, tmp_path / "page.html")
    assert "Nothing speaks against this comparison" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "! " not in comparison_page.text(calm)
