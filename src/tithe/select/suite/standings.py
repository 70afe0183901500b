"""The results table of a suite: means over seeds with intervals, and paired tests against class-balanced random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tithe.report.html import MISSING
from tithe.select.suite.grid import CONTROLS, NOT_OF_ALL
from tithe.select.suite.reader import described
from tithe.select.suite.verdicts import judge

BASELINE, RIVAL = "all", "random"
TRACKS = {"T0": "labels are bought, only those of chosen rows are read", "T1": "all labels are known"}
CONTROLS_HEAD = ("track", "wrong labels", "helped random", "other reader", "fine-tuned", "verdict")
HEAD = (
    *("strategy", "track", "rows", "steps", "accuracy", "macro F1", "worst class", "of all"),
    *("against random", "p", "p, Holm", "wrong labels", "helped random", "other reader", "fine-tuned"),
    *("selection s", "training s", "verdict"),
)
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


def _verdict(line: Line, lines: Sequence[Line]) -> dict[str, str] | None:
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
    return judge(line["against_random"], reader, shares[line["strategy"]], shares.get(RIVAL), helped)._asdict()


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
        "against_random": _against(accuracy, _values(rival, "accuracy")),
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
        measured |= {"share_of_all": _share(own, on_all), "against_random": _against(own, random)}
        return {**measured, **_encoder(group, name)}
    measured["share_of_all"] = _share(own, _values(full, "accuracy"))
    if name == "help":
        equal = {"difference": 0.0, "p": None, "p_holm": None}
        measured["against_helped"] = _against(_values(group, "accuracy"), own) or equal
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
    """Return the mean paired difference and the two-sided p-value of the paired t-test, not corrected."""
    from scipy import stats

    gains = np.array([scores[seed] - rival[seed] for seed in scores if seed in rival])
    if len(gains) == 0 or scores == rival:
        return None
    if len(gains) < 2 or np.allclose(gains, gains[0]):
        return {"difference": float(gains.mean()), "p": None, "p_holm": None}
    return {"difference": float(gains.mean()), "p": float(stats.ttest_1samp(gains, 0.0).pvalue), "p_holm": None}


def text(lines: Sequence[Line], training: str) -> str:
    """Return the table as Markdown, readable in a terminal, and below it the verdicts with the numbers that decided.

    `training` says how the trials were trained.
    """
    grid = [head(lines), *(cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in grid) for i in range(len(HEAD))]
    table = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in grid]
    rule = " | ".join("-" * width for width in widths)
    seeds = lines[0]["seeds"]
    note = (
        f"{seeds} seed{'s' if seeds > 1 else ''}, {training}; mean ± 95 % interval over seeds; p of the paired t-test, "
        "and corrected for all tests of this table by Holm's method."
    )
    note += f" Other reader: {reader}." if (reader := reader_of(lines)) else ""
    note += f" Options: {own}." if (own := options_of(lines)) else ""
    cautions = "".join(f"\n! {caution}" for caution in notes(lines))
    decided = [f"- {sentence}" for sentence in verdicts(lines)]
    table = [f"| {row} |" for row in [table[0], rule, *table[1:]]]
    return "\n".join([title(lines), "", *table, "", note + cautions, *(["", *decided] if decided else [])])


def track_of(lines: Sequence[Line]) -> str:
    """Return the track of a table, the same for all lines; those whose rows have weights say so themselves."""
    track: str = lines[0]["track"]
    return track.rstrip("w")


def title(lines: Sequence[Line]) -> str:
    """Return the title of a table, with its track."""
    return f"Strategies compared, track {track_of(lines)}: {TRACKS[track_of(lines)]}"


def head(lines: Sequence[Line]) -> list[str]:
    """Return the head of the table of some lines."""
    return [count_name(lines) if name == "rows" else name for name in HEAD]


def count_name(lines: Sequence[Line]) -> str:
    """Return what the number of chosen rows counts."""
    return "labels bought" if track_of(lines) == "T0" else "rows"


def verdicts(lines: Sequence[Line]) -> list[str]:
    """Return the verdict on each strategy and budget with the numbers that decided, each in one line."""
    return [
        f"{name_of(line)}: {line['verdict']['words']} ({line['verdict']['because']})"
        for line in lines
        if line["verdict"]
    ]


def notes(lines: Sequence[Line]) -> list[str]:
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


def reader_of(lines: Sequence[Line]) -> str:
    """Return what the other reader of a table is, in words; nothing where there is none."""
    measured = [line["controls"]["reader"] for line in lines if line["controls"]["reader"]]
    return described(measured[0].get("encoder")) if measured else ""


def name_of(line: dict[str, Any]) -> str:
    """Return the display name of a record: the strategy and its budget, if it has one."""
    return BASELINE if line["strategy"] == BASELINE else f"{line['strategy']} {100 * line['budget']:g} %"


def cells(line: Line) -> list[str]:
    """Return the formatted cells of a record, one for each column of `HEAD`."""
    against = line["against_random"] or {}
    return [
        name_of(line),
        line["track"],
        str(line["rows"]),
        str(line["steps"] or MISSING),
        _plus_minus(line["accuracy"]),
        _plus_minus(line["f1"]),
        f"{line['worst_class_accuracy']:.3f}",
        _percent(line["share_of_all"]),
        f"{against['difference']:+.4f}" if against else MISSING,
        *(MISSING if (p := against.get(name)) is None else f"{p:.3f}" for name in ("p", "p_holm")),
        *(_control_cell(line, name) for name in CONTROLS),
        f"{line['selection_seconds']:.1f}",
        f"{line['train_seconds']:.1f}",
        line["verdict"]["words"] if line["verdict"] else MISSING,
    ]


def _control_cell(line: Line, name: str) -> str:
    measured = line["controls"][name]
    if not measured:
        has_none = measured is not None or (name in NOT_OF_ALL and line["strategy"] == BASELINE)
        return MISSING if has_none else "not run"
    against = measured.get("against_helped" if name == "help" else "against_random")
    return _percent(measured["share_of_all"]) + (f", {against['difference']:+.4f}" if against else "")


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f} %"


def _plus_minus(value: dict[str, float | None]) -> str:
    half = value["half_width"]
    return f"{value['mean']:.4f}" + (f" ± {half:.4f}" if half is not None else "")
