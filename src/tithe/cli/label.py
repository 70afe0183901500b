"""Commands on labels: audit, for those that there are, and label, for those to come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tithe.cli.messages import in_option_names
from tithe.cli.options import AsJson, Set, path, print_json, quiet_libraries
from tithe.cli.select import Encoder, FileOptions, LabelColumn, MaxLength, TextColumn, options_of
from tithe.console import counted, echo

label_app = typer.Typer(rich_markup_mode=None)


@label_app.command(epilog="Example: tithe audit rows.parquet --out audits/rows")
def audit(
    source: Annotated[
        Path, typer.Argument(metavar="DATA", parser=path, help="Labelled file, folder of its parts, or a config.")
    ],
    out: Annotated[
        Path, typer.Option(parser=path, help="Folder for audit.html, audit.json, suspects.parquet, corrected.parquet.")
    ],
    corrections: Annotated[
        Path | None,
        typer.Option(parser=path, help="Corrections that the page downloaded; the corrected rows are then written."),
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoder: Encoder = None,
    max_length: MaxLength = None,
    settings: Set = None,
    as_json: AsJson = False,
) -> None:
    """Look for wrong labels, copies, cut texts and words that give labels away, and measure what the rows can teach."""
    of_file = FileOptions(text_column, label_column, encoder, max_length)
    of_file.check(source)
    from tithe import audit as auditing

    with quiet_libraries():
        result = auditing.audit(source, of_file._asdict(), settings or (), corrections, out)
    if as_json:
        print_json(result.facts)
        return
    for sentence in auditing.sentences(result.facts):
        echo(sentence)
    for what, file in result.files.items():
        echo(f"{what}: {file}")


@label_app.command(epilog="Example: tithe label pool.csv --labelled round1/labelled.csv --rows 100 --out round2")
@in_option_names
def label(
    pool: Annotated[
        Path, typer.Argument(parser=path, help="File of texts, folder or pattern of them; labels in it are not read.")
    ],
    out: Annotated[
        Path, typer.Option(parser=path, help="Folder for the rows, label.html, on which to label them, and label.json.")
    ],
    labelled: Annotated[
        list[Path] | None,
        typer.Option(parser=path, help="File of texts that have labels by now; repeatable, one for each round."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows to label next.")] = 500,
    strategy: Annotated[
        str, typer.Option(help="Strategy that chooses the rows: its name, or the path of its .py file.")
    ] = "auto",
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Option of the strategy; repeatable.")
    ] = None,
    classes: Annotated[
        str, typer.Option(metavar="NAME,NAME", help="Classes that the page offers, besides those of the labels.")
    ] = "",
    form: Annotated[str, typer.Option("--format", help="Format of the rows: csv, jsonl or parquet.")] = "csv",
    cost: Annotated[float | None, typer.Option(help="Price of one label, to say whether more of them pay.")] = None,
    worth: Annotated[float | None, typer.Option(help="Worth of one point of accuracy, in the same unit.")] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder of the embeddings; minilm when unset.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens kept of each text; 256 when unset.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the strategy's random draws.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another round in the folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Choose which rows to label next by the labels so far; write them, and a page on which to label them."""
    from tithe.select.buying import label as labelling

    with quiet_libraries():
        result = labelling.label(
            pool,
            labelled or (),
            rows,
            strategy,
            out,
            text_column=text_column,
            label_column=label_column,
            encoder=encoder,
            max_length=max_length,
            seed=seed,
            options=options_of(option),
            format=form,
            classes=[name.strip() for name in classes.split(",") if name.strip()],
            cost=cost,
            worth=worth,
            overwrite=overwrite,
        )
    if as_json:
        print_json(result.account)
        return
    account = result.account
    why = f": {account['reason']}" if account["reason"] else ""
    echo(f"{counted(account['rows'], 'row')} to label in {result.file}, chosen by {account['strategy']}{why}")
    echo(f"page to label them on: {out / 'label.html'}")
    for sentence in account["says"]:
        echo(sentence)
