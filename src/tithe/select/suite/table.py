"""The results table of a suite in words: for a terminal, for Markdown, and the cells and sentences of its page."""

from __future__ import annotations

from collections.abc import Sequence

from tithe.report.html import MISSING
from tithe.report.words import Phrase, in_english, joined, say
from tithe.select.suite.grid import CONTROLS, NOT_OF_ALL
from tithe.select.suite.reader import described
from tithe.select.suite.standings import BASELINE, RIVAL, Line

TRACKS = {"T0": say("labels are bought, only those of chosen rows are read"), "T1": say("all labels are known")}
STRATEGY, OF_ALL, _ROWS = say("strategy"), say("of all"), say("rows")
CONTROLS_HEAD = (
    *(say("track"), say("wrong labels"), say("helped random"), say("other reader"), say("fine-tuned")),
    say("verdict"),
)
HEAD = (
    *(STRATEGY, CONTROLS_HEAD[0], _ROWS, say("steps"), say("accuracy"), say("macro F1"), say("worst class"), OF_ALL),
    *(say("against random"), say("p"), say("p, Holm"), *CONTROLS_HEAD[1:-1]),
    *(say("selection s"), say("training s"), CONTROLS_HEAD[-1]),
)


def text(lines: Sequence[Line], training: str | Phrase) -> str:
    """Return the table as Markdown, readable in a terminal, and below it the verdicts with the numbers that decided.

    `training` says how the trials were trained.
    """
    rows: list[Sequence[str | Phrase]] = [head(lines), *map(cells, lines)]
    grid = [[in_english(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in grid) for i in range(len(HEAD))]
    table = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in grid]
    rule = " | ".join("-" * width for width in widths)
    seeds = lines[0]["seeds"]
    note = (
        f"{seeds} seed{'s' if seeds > 1 else ''}, {in_english(training)}; mean ± 95 % interval over seeds; p of the "
        "paired t-test, and corrected for all tests of this table by Holm's method."
    )
    note += f" Other reader: {in_english(reader)}." if (reader := reader_of(lines)) else ""
    note += f" Options: {own}." if (own := options_of(lines)) else ""
    cautions = "".join(f"\n! {in_english(caution)}" for caution in notes(lines))
    decided = [f"- {in_english(sentence)}" for sentence in verdicts(lines)]
    table = [f"| {row} |" for row in [table[0], rule, *table[1:]]]
    return "\n".join([in_english(title(lines)), "", *table, "", note + cautions, *(["", *decided] if decided else [])])


def track_of(lines: Sequence[Line]) -> str:
    """Return the track of a table, the same for all lines; those whose rows have weights say so themselves."""
    track: str = lines[0]["track"]
    return track.rstrip("w")


def title(lines: Sequence[Line]) -> Phrase:
    """Return the title of a table, with its track."""
    track = track_of(lines)
    return say("Strategies compared, track {track}: {meaning}", track=track, meaning=TRACKS[track])


def head(lines: Sequence[Line]) -> list[Phrase]:
    """Return the head of the table of some lines."""
    return [count_name(lines) if name == _ROWS else name for name in HEAD]


def count_name(lines: Sequence[Line]) -> Phrase:
    """Return what the number of chosen rows counts."""
    return say("labels bought") if track_of(lines) == "T0" else _ROWS


def verdicts(lines: Sequence[Line]) -> list[Phrase]:
    """Return the verdict on each strategy and budget with the numbers that decided, each in one line."""
    return [
        say("{name}: {words} ({because})", name=name_of(line), **line["verdict"]._asdict())
        for line in lines
        if line["verdict"]
    ]


def notes(lines: Sequence[Line]) -> list[Phrase]:
    """Return what speaks against a comparison: unequal optimizer steps, and missing references, each in one line."""
    steps = {line["steps"] for line in lines}
    cautions = []
    if len(steps) > 1:
        taken = joined([say("{name} {steps:,}", name=name_of(line), steps=line["steps"]) for line in lines])
        cautions.append(
            say(
                "the strategies took different numbers of optimizer steps ({taken}): part of any difference is the "
                "length of training; repeat with --equal-steps",
                taken=taken,
            )
        )
    budgets = {name: {line["budget"] for line in lines if line["strategy"] == name} for name in (BASELINE, RIVAL)}
    if not budgets[BASELINE]:
        cautions.append(say("no trial on all rows: what a selection loses is unknown; add the strategy all"))
    selected = dict.fromkeys(line["budget"] for line in lines if line["strategy"] not in (BASELINE, RIVAL))
    if alone := [f"{100 * budget:g} %" for budget in selected if budget not in budgets[RIVAL]]:
        cautions.append(
            say(
                "no random rows beside the strategies at {budgets}: none is proven better than chance; add the "
                "strategy random",
                budgets=", ".join(alone),
            )
        )
    return cautions


def options_of(lines: Sequence[Line]) -> str:
    """Return the options of strategies that have others than their defaults, in one line."""
    own = {line["strategy"]: line["options"] for line in lines}
    return "; ".join(f"{name} {key} {value}" for name, options in own.items() for key, value in options.items())


def reader_of(lines: Sequence[Line]) -> Phrase | None:
    """Return what the other reader of a table is, in words; None where there is none."""
    measured = [line["controls"]["reader"] for line in lines if line["controls"]["reader"]]
    return described(measured[0].get("encoder")) if measured else None


def name_of(line: Line) -> str:
    """Return the display name of a record: the strategy and its budget, if it has one."""
    return BASELINE if line["strategy"] == BASELINE else f"{line['strategy']} {100 * line['budget']:g} %"


def cells(line: Line) -> list[str | Phrase]:
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
        line["verdict"].words if line["verdict"] else MISSING,
    ]


def _control_cell(line: Line, name: str) -> str | Phrase:
    measured = line["controls"][name]
    if not measured:
        has_none = measured is not None or (name in NOT_OF_ALL and line["strategy"] == BASELINE)
        return MISSING if has_none else say("not run")
    against = measured.get("against_helped" if name == "help" else "against_random")
    return _percent(measured["share_of_all"]) + (f", {against['difference']:+.4f}" if against else "")


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f} %"


def _plus_minus(value: dict[str, float | None]) -> str:
    half = value["half_width"]
    return f"{value['mean']:.4f}" + (f" ± {half:.4f}" if half is not None else "")
