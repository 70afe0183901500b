"""The command that exports a trained classifier: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tithe.cli.options import AsJson, path, print_json, quiet_libraries
from tithe.console import echo

export_app = typer.Typer(rich_markup_mode=None)


@export_app.command(epilog="Example: tithe export runs/first --to huggingface --out exports/first")
def export(
    run: Annotated[Path, typer.Argument(parser=path, help="Run directory, checkpoint, or a file inside one.")],
    to: Annotated[str, typer.Option(help="Format: huggingface, onnx or int8.")],
    out: Annotated[
        Path | None, typer.Option(parser=path, help="Folder, which does not exist yet; exports/RUN-FORMAT when unset.")
    ] = None,
    accept: Annotated[
        float, typer.Option(help="Smallest share of rows with the label of tithe, such as 0.98 for int8.")
    ] = 1.0,
    rows: Annotated[int, typer.Option(min=1, help="Most rows of the run to compare on.")] = 1000,
    license: Annotated[
        str | None, typer.Option("--license", help="Licence for the model card, such as apache-2.0.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="NAME", help="Also upload it to this repository of a Hugging Face hub.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a folder to use without tithe: a transformers model or an ONNX graph, compared on real rows first."""
    from tithe.export import Request
    from tithe.export import export as exporting
    from tithe.export import push as pushing

    folder = out or Path("exports") / f"{run.resolve().name}-{to}"
    if push:
        pushing.check_name(push)
    with quiet_libraries():
        about = exporting(run, Request(to, accept, license, rows), folder)
    url = pushing.push(folder, push) if push else None
    if as_json:
        print_json({**about, "folder": str(folder), "url": url})
        return
    beside = about["neighbours"]
    echo(f"{folder}: {about['equal_labels']:.2%} of {about['rows']} rows have the label of tithe,")
    apart = f"{about['largest_difference']:.2g}, and {beside['largest_difference']:.2g} by the batch"
    echo(f"largest difference of a probability {apart}")
    if about["at_once"] == 1:
        echo("run it one input at a time: its answer depends on others in its batch")
    if url:
        echo(f"uploaded to {url}")
