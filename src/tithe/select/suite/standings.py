"""The results table of a suite: means over seeds with intervals, and paired tests against class-balanced random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

BASELINE, RIVAL = "all", "random"
HEAD = (
    *("strategy", "rows", "steps", "accuracy", "macro F1", "worst class", "of all"),
    *("against random", "p", "p, Holm", "selection s", "training s"),
)


def compute_standings(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a record for each strategy and budget, the smallest budget first, and in it the best accuracy.

    Intervals are Student's 95 % intervals over the seeds. The test is the paired t-test against `random` at the same
    budget over the same seeds. With one seed there is neither. `p_holm` is corrected for all tests of the suite.
    """
    groups: dict[tuple[str, float], dict[int, dict[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["strategy"], result["budget"]), {})[result["seed"]] = result
    full = _values(next((g for (name, _), g in groups.items() if name == BASELINE), {}), "accuracy")
    lines = [_line(name, budget, group, groups, full) for (name, budget), group in groups.items()]
    tests = [line["against_random"] for line in lines if is_tested(line)]
    for test, p in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = p
    return sorted(lines, key=lambda line: (line["budget"], -line["accuracy"]["mean"]))


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


def _line(
    name: str,
    budget: float,
    group: dict[int, dict[str, Any]],
    groups: dict[tuple[str, float], dict[int, dict[str, Any]]],
    full: dict[int, float],
) -> dict[str, Any]:
    accuracy = _values(group, "accuracy")
    share = [accuracy[seed] / full[seed] for seed in accuracy if seed in full]
    seconds = [sum(result["selection_seconds"].values()) for result in group.values()]
    return {
        "strategy": name,
        "budget": budget,
        "options": next(iter(group.values())).get("options", {}),
        "seeds": len(group),
        "rows": next(iter(group.values()))["rows"],
        "steps": next(iter(group.values()))["steps"],
        "accuracy": interval(list(accuracy.values())),
        "f1": interval(list(_values(group, "f1").values())),
        "worst_class_accuracy": float(np.mean([result["worst_class_accuracy"] for result in group.values()])),
        "share_of_all": float(np.mean(share)) if share else None,
        "selection_seconds": float(np.median(seconds)),
        "train_seconds": float(np.median([result["train_seconds"] for result in group.values()])),
        "against_random": _against(accuracy, _values(groups.get((RIVAL, budget), {}), "accuracy")),
    }


def _values(group: dict[int, dict[str, Any]], score: str) -> dict[int, float]:
    return {seed: float(result["test"][score]) for seed, result in group.items()}


def interval(values: Sequence[float]) -> dict[str, float | None]:
    """Return the mean and the half-width of its 95 % interval by Student's t; the latter is None for one value."""
    from scipy import stats

    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return {"mean": mean, "half_width": None}
    error = float(np.std(values, ddof=1)) / count**0.5
    return {"mean": mean, "half_width": error * float(stats.t.ppf(0.975, count - 1))}


def _against(scores: dict[int, float], rival: dict[int, float]) -> dict[str, float | None] | None:
    """Return the mean paired difference and the two-sided p-value of the paired t-test, not corrected."""
    from scipy import stats

    gains = np.array([scores[seed] - rival[seed] for seed in scores if seed in rival])
    if len(gains) == 0 or scores == rival:
        return None
    if len(gains) < 2 or np.allclose(gains, gains[0]):
        return {"difference": float(gains.mean()), "p": None, "p_holm": None}
    return {"difference": float(gains.mean()), "p": float(stats.ttest_1samp(gains, 0.0).pvalue), "p_holm": None}


def text(lines: Sequence[dict[str, Any]], equal_steps: bool) -> str:
    """Return the table as Markdown, readable in a terminal."""
    training = "as many optimizer steps as on all rows" if equal_steps else "as many epochs as on all rows"
    grid = [list(HEAD), *(cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in grid) for i in range(len(HEAD))]
    table = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in grid]
    rule = " | ".join("-" * width for width in widths)
    seeds = lines[0]["seeds"]
    note = (
        f"{seeds} seed{'s' if seeds > 1 else ''}, {training}; mean ± 95 % interval over seeds; p of the paired t-test, "
        "and corrected for all tests of this table by Holm's method."
    )
    note += f" Options: {own}." if (own := options_of(lines)) else ""
    cautions = "".join(f"\n! {caution}" for caution in notes(lines))
    return "\n".join([f"| {row} |" for row in [table[0], rule, *table[1:]]] + ["", note + cautions])


def notes(lines: Sequence[dict[str, Any]]) -> list[str]:
    """Return what speaks against a comparison: unequal optimizer steps, and missing references, each in one line."""
    steps = {line["steps"] for line in lines}
    cautions = []
    if len(steps) > 1:
        taken = ", ".join(f"{name_of(line)} {line['steps']:,}" for line in lines)
        cautions.append(
            f"the strategies took different numbers of optimizer steps ({taken}): part of any difference is the length "
            f"of training; repeat with --equal-steps"
        )
    budgets = {name: {line["budget"] for line in lines if line["strategy"] == name} for name in (BASELINE, RIVAL)}
    if not budgets[BASELINE]:
        cautions.append(f"no trial on all rows: what a selection loses is unknown; add the strategy {BASELINE}")
    selected = dict.fromkeys(line["budget"] for line in lines if line["strategy"] not in (BASELINE, RIVAL))
    if alone := [f"{100 * budget:g} %" for budget in selected if budget not in budgets[RIVAL]]:
        cautions.append(
            f"no random rows beside the strategies at {', '.join(alone)}: none is proven better than chance; add the "
            f"strategy {RIVAL}"
        )
    return cautions


def options_of(lines: Sequence[dict[str, Any]]) -> str:
    """Return the options of strategies that have others than their defaults, in one line."""
    own = {line["strategy"]: line["options"] for line in lines}
    return "; ".join(f"{name} {key} {value}" for name, options in own.items() for key, value in options.items())


def name_of(line: dict[str, Any]) -> str:
    """Return the display name of a record: the strategy and its budget, if it has one."""
    return BASELINE if line["strategy"] == BASELINE else f"{line['strategy']} {100 * line['budget']:g} %"


def cells(line: dict[str, Any]) -> list[str]:
    """Return the formatted cells of a record, one for each column of `HEAD`."""
    against = line["against_random"] or {}
    return [
        name_of(line),
        str(line["rows"]),
        str(line["steps"]),
        _plus_minus(line["accuracy"]),
        _plus_minus(line["f1"]),
        f"{line['worst_class_accuracy']:.3f}",
        "–" if line["share_of_all"] is None else f"{100 * line['share_of_all']:.1f} %",
        f"{against['difference']:+.4f}" if against else "–",
        *("–" if (p := against.get(name)) is None else f"{p:.3f}" for name in ("p", "p_holm")),
        f"{line['selection_seconds']:.1f}",
        f"{line['train_seconds']:.1f}",
    ]


def _plus_minus(value: dict[str, float | None]) -> str:
    half = value["half_width"]
    return f"{value['mean']:.4f}" + (f" ± {half:.4f}" if half is not None else "")
