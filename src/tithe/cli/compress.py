"""The command that compresses a trained head into weighted rows: compress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tithe.cli.options import AsJson, path, print_json, quiet_libraries
from tithe.console import echo

compress_app = typer.Typer(rich_markup_mode=None)

_HEADS = {"run": "the run's own head", "all_rows": "logistic head of all rows", "compressed": "that of these rows"}


@compress_app.command(epilog="Example: tithe compress runs/first --rows 10% --out compressed.parquet")
def compress(
    run: Annotated[
        Path, typer.Argument(parser=path, help="Directory of a finished run of a text classifier on a frozen encoder.")
    ],
    out: Annotated[
        Path,
        typer.Option(parser=path, help="Parquet file for the rows; a summary with the parity (.json) is next to it."),
    ],
    rows: Annotated[str, typer.Option(help="Training rows to keep: a share such as 10%, or a count.")] = "10%",
    strategy: Annotated[
        str, typer.Option(help="What chooses and weighs them: sensitivity, gradient_match or omp.")
    ] = "sensitivity",
    as_json: AsJson = False,
) -> None:
    """Keep weighted training rows that reproduce a trained head, and show how nearly they do."""
    from tithe.evaluate import compress as compressing

    with quiet_libraries():
        about = compressing.compress(run, rows, strategy, out)
    if as_json:
        print_json(about)
        return
    echo(f"{about['rows']} of {about['pool']} training rows in {out}, parity in {out.with_suffix('.json')}")
    echo(f"{about['what']}\n")
    echo("\n".join(_parity_lines(about["parity"])))


def _parity_lines(parity: Mapping[str, Any]) -> Iterator[str]:
    yield f"accuracy on {parity['rows']} {parity['part']} rows"
    for name, accuracy in parity["accuracy"].items():
        yield f"  {_HEADS[name]:<30}{accuracy:>8.2%}"
    yield f"{'agreement':<42}{'same class':>12}{'difference':>12}"
    for pair in parity["agreement"]:
        names = ", ".join(pair["heads"])
        same, apart = pair["same_predictions"], pair["mean_probability_difference"]
        yield f"  {names:<40}{same:>12.2%}{apart:>12.4f}"
