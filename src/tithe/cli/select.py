"""Commands that select rows: select, suite."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tithe.cli.messages import in_own_names
from tithe.cli.options import AsJson, Set, path, print_json, quiet_libraries
from tithe.console import echo
from tithe.errors import InputError

if TYPE_CHECKING:  # slow to import
    from tithe.config import Run

select_app = typer.Typer(rich_markup_mode=None)

Source = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", parser=path, help="Labelled file, folder of its parts, or a config: its training rows."
    ),
]
Encoder = Annotated[str | None, typer.Option(help="Encoder of the embeddings, if DATA is a file; minilm when unset.")]
MaxLength = Annotated[
    int | None, typer.Option(min=1, help="Tokens kept of each text, if DATA is a file; 256 when unset.")
]
TextColumn = Annotated[str | None, typer.Option(help="Column of the texts, if DATA is a file; text when unset.")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the classes, if DATA is a file; label when unset.")]


class FileOptions(NamedTuple):
    """The options for a data file, as given; a config has settings of its own."""

    text_column: str | None
    label_column: str | None
    encoder: str | None
    max_length: int | None

    def check(self, source: Path) -> None:
        """Refuse them for a config.

        Raises
        ------
        InputError
            One of them was given.
        """
        from tithe.config.files import is_config_file

        for name, value in self._asdict().items() if is_config_file(source) else ():
            if value is not None:
                section = "data" if name.endswith("_column") else "model"
                option = f"--{name.replace('_', '-')} {value}"
                raise InputError(f"{option} is for a data file: pass --set {section}.{name}={value} with a config")


@select_app.command(epilog="Example: tithe select rows.parquet --strategy k_center --budget 0.1 --out picks.parquet")
@in_own_names
def select(
    source: Source,
    out: Annotated[
        Path,
        typer.Option(
            parser=path,
            help="Parquet file for the chosen rows; a summary (.json) and a map (.png) are written next to it.",
        ),
    ],
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:KEY=VALUE]",
            help="Strategy that chooses the rows: its name, or the path of its .py file; the config's, else random.",
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Share of the rows to keep; the config's when unset, else 0.1.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the strategy's random draws; the config's when unset, else 0.")
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(help="How classes share the budget: stratified, uniform or none; stratified when unset."),
    ] = None,
    floor: Annotated[
        int | None, typer.Option(help="Rows that each class gets before anything is scored; 1 when unset.")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(help="Rounds that share the budget; a model trained on the rows so far scores the rest."),
    ] = None,
    language_model: Annotated[
        str | None, typer.Option(help="Causal model, a folder or .gguf, for perplexity and ifd; n-grams when unset.")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(parser=path, help="Parquet file of id, a row of DATA from 0, and score: the highest are kept."),
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option(parser=path, help=".npy file of a vector for each row of DATA, for strategies.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Option of the strategy; repeatable.")
    ] = None,
    with_rows: Annotated[
        bool, typer.Option("--with-rows", help="Also write the text and the label of each chosen row.")
    ] = False,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoder: Encoder = None,
    max_length: MaxLength = None,
    explain: Annotated[
        list[int] | None,
        typer.Option(metavar="ROW", help="Explain why a row of the file was chosen or not; repeatable."),
    ] = None,
    settings: Set = None,
    as_json: AsJson = False,
) -> None:
    """Select rows with a strategy; a config's own `select` section and seed count where no option overrides them."""
    from tithe.select import entry, explain_row, save, summary
    from tithe.select.suite.options import split_options

    options: dict[str, Any] = {}
    if strategy:
        strategy, options = split_options(strategy)
    given = {
        **{"strategy": strategy, "budget": budget, "seed": seed, "balance": balance, "floor": floor},
        **{"rounds": rounds, "language_model": language_model, "scores": scores and str(scores)},
    }
    options |= options_of(option)
    of_file = FileOptions(text_column, label_column, encoder, max_length)
    of_file.check(source)
    with quiet_libraries():
        overrides = [*(settings or ()), *entry.embeddings_setting(embeddings)]
        result = entry.select_rows(source, of_file._asdict(), overrides, (given, options), out)
        if result.settings.strategy == "all":
            _warn_of_choice(given)
        reasons = [explain_row(result, row) for row in explain or ()]
        save(out, result, with_rows)
    if as_json:
        print_json({**summary(result), "reasons": reasons})
        return
    counts = f"{len(result.selection)} of {len(result.pool)} rows in {out}"
    files = f"summary and map in {out.with_suffix('.json')} and {out.with_suffix('.png')}"
    parts = [result.parts.sentence()] if result.parts else []
    echo("\n".join([counts, files, *parts, *reasons]))


def _warn_of_choice(given: Mapping[str, Any]) -> None:
    """Name the options that a strategy which takes every row has no use for."""
    for name, value in given.items():
        if value is not None and name not in ("strategy", "seed"):
            echo(f"--{name.replace('_', '-')} {value} has no effect: strategy all takes every row", err=True)


def options_of(texts: Sequence[str] | None) -> dict[str, Any]:
    """Return options of strategies given as `key=value`.

    Raises
    ------
    InputError
        One of them is not.
    """
    from tithe.config.files import override

    for text in texts or ():
        if not text.partition("=")[1]:
            raise InputError(f"--option '{text}' is not key=value: write for example --option weight=0.3")
    return dict(override(text) for text in texts or ())


@select_app.command(epilog="Example: tithe suite rows.parquet --strategies k_center --seeds 0,1,2 --out suites/first")
@in_own_names
def suite(
    source: Source,
    out: Annotated[Path, typer.Option(parser=path, help="Folder for suite.json, the table and the trials.")],
    strategies: Annotated[
        str, typer.Option(help="Names, or paths of .py files, separated by commas; all strategies when unset.")
    ] = "",
    strategy: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:KEY=VALUE]", help="One of the strategies, with an option of it; repeatable."),
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(help="Shares of the training rows, separated by commas; the config's when unset, else 0.1."),
    ] = None,
    track: Annotated[
        str | None,
        typer.Option(help="T1: all labels are known; T0: only those of chosen rows are read; the config's, else T1."),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Seeds of split, selection and training, separated by commas, instead of the config's.")
    ] = "0,1,2,3,4",
    equal_steps: Annotated[
        bool, typer.Option(help="Train every trial for the same number of optimizer steps, or of epochs.")
    ] = True,
    head: Annotated[
        str | None,
        typer.Option(
            help="Head of a frozen encoder: trained, as the config says, or probe, a logistic regression whose penalty "
            "each trial chooses on its own rows; probe when unset and a data file is given, else trained."
        ),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=256, help="Trials run in parallel.")] = 1,
    controls: Annotated[
        str | None,
        typer.Option(
            help="Controls of every trial: wrong, help, reader, finetune, separated by commas, or none; when unset "
            "wrong,help,reader (T0: without help), and reader alone if the encoder is trained."
        ),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(metavar="ENCODER", help="Encoder of the control reader, as model.encoder; words when unset."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[STRATEGY.]KEY=VALUE", help="Option of one strategy, or of each that has it; repeatable."
        ),
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoder: Encoder = None,
    max_length: MaxLength = None,
    settings: Set = None,
    as_json: AsJson = False,
) -> None:
    """Compare strategies, over several seeds, with training on all rows and on random rows."""
    from tithe import config, plugins, storage
    from tithe.select.settings import overridden
    from tithe.select.suite.controls import default_controls, named_controls
    from tithe.select.suite.grid import HEADS, Grid
    from tithe.select.suite.options import is_possible, named_strategies
    from tithe.select.suite.page import write_results
    from tithe.select.suite.trials import FILE, run_suite
    from tithe.storage.environment import command_line

    base = _suite_config(source, FileOptions(text_column, label_column, encoder, max_length), settings or ())
    if track:
        base = base.model_copy(update={"select": overridden(base.select, {"track": track}, {}, "tithe suite")})
    own = base.select or config.Select()
    named, own_options = named_strategies([*strategies.split(","), *(strategy or ())])
    names = named or [name for name, module in plugins.each("strategies") if is_possible(module, own)]
    if head not in (None, *HEADS):
        raise InputError(f"unknown --head {head}: choose {' or '.join(HEADS)}")
    measured = default_controls(base) if controls is None else named_controls(controls)
    shares, seed_list = _numbers(budgets or str(own.budget), "--budgets", float), _numbers(seeds, "--seeds", int)
    for option_name, key, numbers in (("--budgets", "budget", shares), ("--seeds", "seed", seed_list)):
        for number in numbers:
            config.section(config.Select, {key: number}, option_name)
    options = own_options | options_of(option)
    with quiet_libraries(), storage.locked(out):
        grid = Grid(names, shares, seed_list, equal_steps, options, measured, head or _usual_head(source), reader)
        lines, table = write_results(out, base, grid, run_suite(base, grid, out, processes), command_line())
    if as_json:
        print_json(lines)
        return
    echo(table)
    echo(f"\nresults in {out / FILE}, page {out / 'suite.html'}")


def _usual_head(source: Path) -> str:
    from tithe.config.files import is_config_file

    return "trained" if is_config_file(source) else "probe"


def _suite_config(source: Path, of_file: FileOptions, settings: Sequence[str]) -> Run:
    """Return the config of a suite's trials: the given one, or that of a head on a frozen encoder for a data file."""
    from tithe import config
    from tithe.config.files import is_config_file
    from tithe.data import gives_test
    from tithe.select.entry import file_config

    of_file.check(source)
    if is_config_file(source):
        return config.load(source, settings)
    given = of_file._asdict()
    base = file_config(source, given, settings, "tithe suite")
    return base if gives_test(base.data) else file_config(source, given, settings, "tithe suite", test_ratio=0.2)


def _numbers(text: str, option: str, kind: type[Any]) -> list[Any]:
    with contextlib.suppress(ValueError):
        if numbers := [kind(part) for part in text.split(",") if part.strip()]:
            return numbers
    what, example = ("whole numbers", "0,1") if kind is int else ("numbers", "0.05,0.1")
    raise InputError(f"{option} '{text}' is not a list of {what}: write for example {option} {example}")
