"""The results of a suite: means over seeds with intervals, and paired tests against class-balanced random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tithe.select.suite.grid import CONTROLS
from tithe.select.suite.verdicts import Verdict, judge

BASELINE, RIVAL = "all", "random"
Line = dict[str, Any]  # one of `compute_standings`
Group = dict[int, dict[str, Any]]  # the trials of a strategy at a budget, by seed


def compute_standings(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a record for each strategy and budget, the smallest budget first, and in it the best accuracy.

    Intervals are Student's 95 % intervals over the seeds. The test is the paired t-test against `random` at the same
    budget over the same seeds. With one seed there is neither. `p_holm` is corrected for all tests of the suite.
    """
    groups: dict[tuple[str, float], Group] = {}
    for result in results:
        groups.setdefault((result["strategy"], result["budget"]), {})[result["seed"]] = result
    full = next((group for (name, _), group in groups.items() if name == BASELINE), {})
    lines = [_line(group, groups.get((RIVAL, budget), {}), full) for (_, budget), group in groups.items()]
    _correct([line["against_random"] for line in lines])
    for name in _READERS:  # each a family of tests of its own
        _correct([line["controls"][name]["against_random"] for line in lines if line["controls"][name]])
    _correct([line["controls"]["help"]["against_helped"] for line in lines if line["controls"]["help"]])
    for line in lines:
        line["verdict"] = _verdict(line, lines)
    return sorted(lines, key=lambda line: (line["budget"], -line["accuracy"]["mean"]))


def _correct(tests: Sequence[dict[str, Any] | None]) -> None:
    """Set the `p_holm` of those that have a p-value."""
    tested = [test for test in tests if test is not None and test["p"] is not None]
    for test, p in zip(tested, holm([test["p"] for test in tested]), strict=True):
        test["p_holm"] = p


def _verdict(line: Line, lines: Sequence[Line]) -> Verdict | None:
    """Return the words of `verdicts.judge`, and the numbers that decided; None without random rows to compare with."""
    if line["strategy"] == BASELINE or line["against_random"] is None:
        return None
    shares = {
        other["strategy"]: (other["controls"]["wrong"] or {}).get("share_of_all")
        for other in lines
        if other["budget"] == line["budget"]
    }
    reader = (line["controls"]["reader"] or {}).get("against_random")
    helped = (line["controls"]["help"] or {}).get("against_helped")
    return judge(line["against_random"], reader, shares[line["strategy"]], shares.get(RIVAL), helped)


def as_json(lines: Sequence[Line]) -> list[Line]:
    """Return the records as JSON values."""
    return [{**line, "verdict": line["verdict"] and line["verdict"].as_json()} for line in lines]


def is_tested(line: dict[str, Any]) -> bool:
    """Say whether a record was tested against `random`: several seeds, whose differences are not all equal."""
    return line["against_random"] is not None and line["against_random"]["p"] is not None


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979): below 5 %, each is so with all others taken together."""
    p_K = np.asarray(p_values, dtype=np.float64)
    order_K = np.argsort(p_K, kind="stable")
    corrected_K = np.empty_like(p_K)
    corrected_K[order_K] = np.maximum.accumulate(p_K[order_K] * np.arange(len(p_K), 0, -1))
    corrected: list[float] = np.minimum(corrected_K, 1).tolist()
    return corrected


_READERS = ("reader", "finetune")  # controls in which the same rows train another model


def _line(group: Group, rival: Group, full: Group) -> Line:
    first = next(iter(group.values()))
    accuracy, full_accuracy = _values(group, "accuracy"), _values(full, "accuracy")
    seconds = [sum(result["selection_seconds"].values()) for result in group.values()]
    return {
        "strategy": first["strategy"],
        "budget": first["budget"],
        "track": first.get("track", "T1") + ("w" if first.get("weighted") else ""),
        "options": first.get("options", {}),
        "seeds": len(group),
        "rows": first["rows"],
        "steps": first["steps"],
        "accuracy": interval(list(accuracy.values())),
        "f1": interval(list(_values(group, "f1").values())),
        "worst_class_accuracy": float(np.mean([result["worst_class_accuracy"] for result in group.values()])),
        "share_of_all": _share(accuracy, full_accuracy),
        "selection_seconds": float(np.median(seconds)),
        "train_seconds": float(np.median([result["train_seconds"] for result in group.values()])),
        "against_random": None if group is rival else _against(accuracy, _values(rival, "accuracy")),
        "controls": {name: _control(name, group, rival, full) for name in CONTROLS},
    }


def _control(name: str, group: Group, rival: Group, full: Group) -> dict[str, Any] | None:
    """Return what a control measured; None where it did not run, and nothing where a strategy gives no help.

    Wrong labels and helped random rows count as a share of the accuracy on all rows with true labels; against the
    latter stands the strategy itself.
    """
    own, random, on_all = (_controlled(trials, name) for trials in (group, rival, full))
    if not own:
        return {} if any(name in trial.get("controls", {}) for trial in group.values()) else None
    measured: dict[str, Any] = {"accuracy": interval(list(own.values()))}
    if name in _READERS:
        against = None if group is rival else _against(own, random)
        return {**measured, "share_of_all": _share(own, on_all), "against_random": against, **_encoder(group, name)}
    measured["share_of_all"] = _share(own, _values(full, "accuracy"))
    if name == "help":
        measured["against_helped"] = _against(_values(group, "accuracy"), own)
    return measured


def _encoder(group: Group, name: str) -> dict[str, str]:
    """Return the encoder by which another reader reads, if it reads no words."""
    records = (trial.get("controls", {}).get(name, {}) for trial in group.values())
    return next(({"encoder": record["encoder"]} for record in records if "encoder" in record), {})


def _controlled(group: Group, name: str) -> dict[int, float]:
    records = {seed: trial.get("controls", {}).get(name) for seed, trial in group.items()}
    return {seed: float(record["accuracy"]) for seed, record in records.items() if record}


def _values(group: Group, score: str) -> dict[int, float]:
    return {seed: float(result["test"][score]) for seed, result in group.items()}


def _share(scores: dict[int, float], full: dict[int, float]) -> float | None:
    shares = [scores[seed] / full[seed] for seed in scores if full.get(seed)]
    return float(np.mean(shares)) if shares else None


def interval(values: Sequence[float]) -> dict[str, float | None]:
    """Return the mean and the half-width of its 95 % interval by Student's t; the latter is None for one value."""
    from scipy import stats

    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return {"mean": mean, "half_width": None}
    error = float(np.std(values, ddof=1)) / count**0.5
    return {"mean": mean, "half_width": error * float(stats.t.ppf(0.975, count - 1))}


def _against(scores: dict[int, float], rival: dict[int, float]) -> dict[str, float | None] | None:
    """Return the mean paired difference and the two-sided p-value of the paired t-test, not corrected.

    None without a common seed; without a p-value where there is one, or the differences are all equal.
    """
    from scipy import stats

    gains = np.array([scores[seed] - rival[seed] for seed in scores if seed in rival])
    if len(gains) == 0:
        return None
    if len(gains) < 2 or np.allclose(gains, gains[0]):
        return {"difference": float(gains.mean()), "p": None, "p_holm": None}
    return {"difference": float(gains.mean()), "p": float(stats.ttest_1samp(gains, 0.0).pvalue), "p_holm": None}
