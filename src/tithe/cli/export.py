"""The commands that make something else of a run: export, compress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tithe.cli.options import AsJson, path, print_json, quiet_libraries
from tithe.console import echo

export_app = typer.Typer(rich_markup_mode=None)

_HEADS = {"run": "the run's own head", "all_rows": "logistic head of all rows", "compressed": "that of these rows"}


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


@export_app.command(epilog="Example: tithe compress runs/first --rows 10% --out compressed.parquet")
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
