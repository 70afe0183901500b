"""The commands about choosing rows: select, suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tithe.cli.options import AsJson, Set, print_json, quiet_libraries
from tithe.errors import InputError

select_app = typer.Typer(rich_markup_mode=None)

Source = Annotated[Path, typer.Argument(metavar="DATA", help="Labelled file, or a config: then its training rows.")]
Encoder = Annotated[str, typer.Option(help="Encoder of the embeddings, for a file.")]
MaxLength = Annotated[int, typer.Option(min=1, help="Tokens kept of each text, for a file.")]
TextColumn = Annotated[str, typer.Option(help="Column of the texts.")]
LabelColumn = Annotated[str, typer.Option(help="Column of the classes.")]


@select_app.command(epilog="Example: tithe select rows.parquet --strategy k_center --budget 0.1 --out picks.parquet")
def select(
    source: Source,
    out: Annotated[
        Path,
        typer.Option(help="Parquet file for the chosen rows; their account (.json) and picture (.png) lie beside."),
    ],
    strategy: Annotated[str, typer.Option(help="Rule by which rows are chosen.")] = "random",
    budget: Annotated[float, typer.Option(help="Share of the rows.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of the strategy's random draws.")] = 0,
    option: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="The strategy's own setting.")] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    encoder: Encoder = "minilm",
    max_length: MaxLength = 256,
    explain: Annotated[
        list[int] | None, typer.Option(metavar="ROW", help="Say why a row of the file was chosen or not; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Choose the part of the rows that a strategy keeps."""
    from tithe import config, select
    from tithe.config.files import is_config_file, override

    _refuse_to_bury(source, out)
    options = dict(override(text) for text in option or ())
    asked = {"strategy": strategy, "budget": budget, "seed": seed, "options": options}
    settings = config.section(config.Select, asked, "tithe select")
    with quiet_libraries():
        if is_config_file(source):
            chosen = select.select_from_config(config.load(source), settings)
        else:
            columns = {"text_column": text_column, "label_column": label_column}
            chosen = select.select_from_file(source, settings, columns, encoder, max_length)
        reasons = [select.explain_row(chosen, row) for row in explain or ()]
        select.save(out, chosen)
    if as_json:
        print_json({**select.summary(chosen), "reasons": reasons})
        return
    beside = f"account and picture in {out.with_suffix('.json')} and {out.with_suffix('.png')}"
    typer.echo("\n".join([f"{len(chosen.selection)} of {len(chosen.pool)} rows in {out}", beside, *reasons]))


def _refuse_to_bury(source: Path, out: Path) -> None:
    """Keep the three files of a selection from landing on each other, or on what they are chosen from."""
    if out.suffix != ".parquet":
        raise InputError(f"--out {out} is no .parquet file: write for example --out {out.with_suffix('.parquet')}")
    written = {out.with_suffix(suffix).resolve() for suffix in (".parquet", ".json", ".png")}
    if source.resolve() in written:
        raise InputError(f"--out {out} would overwrite {source}: choose another name")


@select_app.command(epilog="Example: tithe suite rows.parquet --strategies k_center --seeds 0,1,2 --out suites/first")
def suite(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for suite.json, the table and the trials.")],
    strategies: Annotated[str, typer.Option(help="Names with commas; every one when unset.")] = "",
    budgets: Annotated[str, typer.Option(help="Shares of the training rows, with commas.")] = "0.1",
    seeds: Annotated[str, typer.Option(help="Seeds of split, choice and training, with commas.")] = "0,1,2,3,4",
    equal_steps: Annotated[
        bool, typer.Option(help="As many optimizer steps for every budget, or as many epochs.")
    ] = True,
    processes: Annotated[int, typer.Option(min=1, help="Trials at once.")] = 1,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    encoder: Encoder = "minilm",
    max_length: MaxLength = 256,
    settings: Set = None,
    as_json: AsJson = False,
) -> None:
    """Compare strategies over seeds with training on all rows and on random ones."""
    from tithe import config, plugins, storage
    from tithe.config.files import is_config_file
    from tithe.select.suite import standings
    from tithe.select.suite import trials as suites
    from tithe.select.suite.page import write_page

    if is_config_file(source):
        base = config.load(source, settings or ())
    else:
        columns = {"text_column": text_column, "label_column": label_column}
        model = {"encoder": encoder, "max_length": max_length, "freeze": "all"}
        train = {"epochs": 5, "batch_size": 32, "learning_rate": 1e-3}
        raw = {"data": {"path": str(source), "test_ratio": 0.2, **columns}, "model": model, "train": train}
        base = config.parse(raw, settings or (), source="tithe suite")
    names = [name.strip() for name in strategies.split(",") if name.strip()] or list(plugins.names("strategies"))
    shares, draws = _numbers(budgets, "--budgets", float), _numbers(seeds, "--seeds", int)
    with quiet_libraries():
        results = suites.run_suite(base, suites.Grid(names, shares, draws, equal_steps), out, processes)
    lines = standings.compute_standings(results)
    page = standings.text(lines, equal_steps)
    storage.write_json(out / suites.FILE, {"equal_steps": equal_steps, "standings": lines, "trials": results})
    storage.write_text(out / "suite.md", page + "\n")
    about = (
        f"{Path(base.model.encoder).name} on {Path(base.data.path).name}, {len(draws)} seeds, {len(results)} trials."
    )
    write_page(out, lines, equal_steps, about)
    if as_json:
        print_json(lines)
        return
    typer.echo(page)
    typer.echo(f"\nnumbers in {out / suites.FILE}, page {out / 'suite.html'}")


def _numbers(text: str, option: str, kind: type[Any]) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"{option} {text} is no list of numbers: write for example {option} 0,1") from None
