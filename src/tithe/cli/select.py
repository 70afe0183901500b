"""Commands that select rows: select, suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tithe.cli.options import AsJson, Set, print_json, quiet_libraries
from tithe.errors import InputError

select_app = typer.Typer(rich_markup_mode=None)

Source = Annotated[
    Path, typer.Argument(metavar="DATA", help="Labelled file, or a config to select among its training rows.")
]
Encoder = Annotated[str, typer.Option(help="Encoder of the embeddings, if DATA is a file.")]
MaxLength = Annotated[int, typer.Option(min=1, help="Tokens kept of each text, if DATA is a file.")]
TextColumn = Annotated[str, typer.Option(help="Column of the texts.")]
LabelColumn = Annotated[str, typer.Option(help="Column of the classes.")]


@select_app.command(epilog="Example: tithe select rows.parquet --strategy k_center --budget 0.1 --out picks.parquet")
def select(
    source: Source,
    out: Annotated[
        Path,
        typer.Option(
            help="Parquet file for the chosen rows; a summary (.json) and a map (.png) are written next to it."
        ),
    ],
    strategy: Annotated[
        str, typer.Option(help="Strategy that chooses the rows: its name, or the path of its .py file.")
    ] = "random",
    budget: Annotated[float, typer.Option(help="Share of the rows to keep.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the strategy's random draws.")] = 0,
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Option of the strategy; repeatable.")
    ] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    encoder: Encoder = "minilm",
    max_length: MaxLength = 256,
    explain: Annotated[
        list[int] | None,
        typer.Option(metavar="ROW", help="Explain why a row of the file was chosen or not; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Select rows with a strategy."""
    from tithe import config, select
    from tithe.config.files import is_config_file, override

    _check_out(source, out)
    options = dict(override(text) for text in option or ())
    values = {"strategy": strategy, "budget": budget, "seed": seed, "options": options}
    settings = config.section(config.Select, values, "tithe select")
    with quiet_libraries():
        if is_config_file(source):
            result = select.select_from_config(config.load(source), settings)
        else:
            columns = {"text_column": text_column, "label_column": label_column}
            result = select.select_from_file(source, settings, columns, encoder, max_length)
        reasons = [select.explain_row(result, row) for row in explain or ()]
        select.save(out, result)
    if as_json:
        print_json({**select.summary(result), "reasons": reasons})
        return
    counts = f"{len(result.selection)} of {len(result.pool)} rows in {out}"
    files = f"summary and map in {out.with_suffix('.json')} and {out.with_suffix('.png')}"
    typer.echo("\n".join([counts, files, *reasons]))


def _check_out(source: Path, out: Path) -> None:
    """Refuse an output whose three files would overwrite each other or the data.

    Raises
    ------
    InputError
        Wrong suffix, or the data file has the name of an output file.
    """
    if out.suffix != ".parquet":
        raise InputError(f"--out {out} is not a .parquet file: write for example --out {out.with_suffix('.parquet')}")
    written = {out.with_suffix(suffix).resolve() for suffix in (".parquet", ".json", ".png")}
    if source.resolve() in written:
        raise InputError(f"--out {out} would overwrite {source}: choose another name")


@select_app.command(epilog="Example: tithe suite rows.parquet --strategies k_center --seeds 0,1,2 --out suites/first")
def suite(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for suite.json, the table and the trials.")],
    strategies: Annotated[
        str, typer.Option(help="Names, or paths of .py files, separated by commas; all strategies when unset.")
    ] = "",
    budgets: Annotated[str, typer.Option(help="Shares of the training rows, separated by commas.")] = "0.1",
    seeds: Annotated[
        str, typer.Option(help="Seeds of split, selection and training, separated by commas.")
    ] = "0,1,2,3,4",
    equal_steps: Annotated[
        bool, typer.Option(help="Train every trial for the same number of optimizer steps, or of epochs.")
    ] = True,
    processes: Annotated[int, typer.Option(min=1, help="Trials run in parallel.")] = 1,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    encoder: Encoder = "minilm",
    max_length: MaxLength = 256,
    settings: Set = None,
    as_json: AsJson = False,
) -> None:
    """Compare strategies, over several seeds, with training on all rows and on random rows."""
    from tithe import config, plugins, storage
    from tithe.config.files import is_config_file
    from tithe.select.suite import standings
    from tithe.select.suite.page import write_page
    from tithe.select.suite.trials import FILE, Grid, run_suite

    if is_config_file(source):
        base = config.load(source, settings or ())
    else:
        columns = {"text_column": text_column, "label_column": label_column}
        model = {"encoder": encoder, "max_length": max_length, "freeze": "all"}
        train = {"epochs": 5, "batch_size": 32, "learning_rate": 1e-3}
        raw = {"data": {"path": str(source), "test_ratio": 0.2, **columns}, "model": model, "train": train}
        base = config.parse(raw, settings or (), source="tithe suite")
    names = [name.strip() for name in strategies.split(",") if name.strip()] or [
        name for name, _ in plugins.each("strategies")
    ]
    shares, seed_list = _numbers(budgets, "--budgets", float), _numbers(seeds, "--seeds", int)
    with quiet_libraries():
        results = run_suite(base, Grid(names, shares, seed_list, equal_steps), out, processes)
    lines = standings.compute_standings(results)
    table = standings.text(lines, equal_steps)
    cautions = standings.notes(lines)
    storage.write_json(
        out / FILE, {"equal_steps": equal_steps, "notes": cautions, "standings": lines, "trials": results}
    )
    storage.write_text(out / "suite.md", table + "\n")
    encoder_name, data_name = Path(base.model.encoder).name, Path(base.data.path).name
    subtitle = f"{encoder_name} on {data_name}, {len(seed_list)} seeds, {len(results)} trials."
    write_page(out, lines, equal_steps, subtitle)
    if as_json:
        print_json(lines)
        return
    typer.echo(table)
    typer.echo(f"\nresults in {out / FILE}, page {out / 'suite.html'}")


def _numbers(text: str, option: str, kind: type[Any]) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"{option} {text} is not a list of numbers: write for example {option} 0,1") from None
