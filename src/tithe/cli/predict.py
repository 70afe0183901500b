"""Commands that use a checkpoint: predict, evaluate."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tithe import storage
from tithe.cli import explain as explaining
from tithe.cli.messages import in_option_names
from tithe.cli.options import (
    AsJson,
    Cluster,
    ColumnNames,
    Delimiter,
    Encoding,
    Set,
    cluster,
    layout,
    path,
    print_json,
    quiet_libraries,
)
from tithe.cli.train import print_scores
from tithe.console import counted, echo, json_text, printable, stdout_is_closed
from tithe.errors import InputError, TitheError

if TYPE_CHECKING:  # slow to import
    from tithe.engines import Engine
    from tithe.predict import Answering, Predictions, TextInput, TrainedModel

predict_app = typer.Typer(rich_markup_mode=None)

_PILLOWS_LIMIT = 178_956_970  # pixels, beyond which Pillow refuses an image whatever is asked for
_HEAT_MAPS = 12

Exact = Annotated[
    bool, typer.Option("--exact", help="One input at a time in float32: no result depends on other inputs; slower.")
]


@predict_app.command(epilog="Example: tithe evaluate -c runs/first/checkpoints/best --out artifacts/first")
def evaluate(
    run: Annotated[Path | None, typer.Argument(metavar="CHECKPOINT", parser=path, help="The same as -c.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("-c", "--checkpoint", parser=path, help="Checkpoint, or a file inside one.")
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="CONFIG", parser=path, help="Read from a file; command-line options override it."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(parser=path, help="Labelled file; the run's own splits when unset.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(parser=path, help="Folder for metrics and figures; artifacts/NAME when unset.")
    ] = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    column_names: ColumnNames = None,
    exact: Exact = False,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=SHARE",
            help="Choose and save when to answer 'none of these': precision=0.95 or recall=0.95 of each class; "
            "far=0.02, beyond the distance from the training rows that 2 % of validation rows have.",
        ),
    ] = None,
    settings: Set = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a checkpoint on its validation and test rows, or on another file."""
    from tithe.evaluate.checkpoint import evaluate_by, read_settings

    if run and checkpoint:
        raise InputError(f"pass {run} or -c {checkpoint}, not both")
    paths = {"checkpoint_path": run or checkpoint, "dataset_path": data}
    options = {key: str(path) for key, path in paths.items() if path} | layout(delimiter, encoding, column_names)
    options |= {"target": _target(target)} if target else {}
    if out and any(setting.startswith(("artifacts_dir=", "name=")) for setting in settings or ()):
        raise InputError(f"--out {out} is the folder: leave out --set name and --set artifacts_dir, or --out")
    evaluation = read_settings(config_file, [*(settings or ()), *(["exact=true"] if exact else [])], options)
    with quiet_libraries():
        result = evaluate_by(evaluation, out)
    if as_json:
        print_json(result.scores)
        return
    print_scores(result.scores)
    _print_thresholds(result.scores.get("abstention"))
    echo(f"\nmetrics and figures in {result.folder}")


def _target(pairs: list[str]) -> dict[str, float]:
    """Return the keys and values of `--target`."""
    try:
        return {key: float(share) for key, share in (pair.split("=") for pair in pairs)}
    except ValueError:
        raise InputError(f"--target {' '.join(pairs)}: write KEY=SHARE, such as --target precision=0.95") from None


def _print_thresholds(account: dict[str, Any] | None) -> None:
    """Print what a target gives on the validation rows: a line for each class, those that do not reach it last."""
    if not account or not account["classes"]:
        return
    goal = next(name for name in account["target"] if name != "far")
    width = max(len(printable(line["class"])) for line in account["classes"]) + 2
    echo(f"\n{'':<{width}}{'threshold':>10}{goal:>11}{'95 %':>18}{'answered':>18}")
    for line in sorted(account["classes"], key=lambda line: not line["attained"]):
        level = "–" if line["threshold"] is None else f"{line['threshold']:.4f}"
        reached, interval = "–", "–"
        if line["reached"] is not None:
            reached, interval = f"{line['reached']:.4f}", f"{line['low']:.4f} to {line['high']:.4f}"
        answers = f"{line['accepted']} of {line['rows']}"
        missed = "" if line["attained"] else f"  {goal} {account['target'][goal]} is not reached"
        echo(f"{printable(line['class']):<{width}}{level:>10}{reached:>11}{interval:>18}{answers:>18}{missed}")


@predict_app.command(epilog="Example: tithe predict runs/first/checkpoints/best 'what a film'")
@in_option_names
def predict(
    checkpoint: Annotated[
        Path, typer.Argument(parser=path, help="Checkpoint, folder of checkpoints, or a file inside one.")
    ],
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Texts, or images and folders; lines of standard input when unset, or -."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            *("--input", "-i"),
            parser=path,
            help="Parquet, CSV, JSONL or plain text; a folder or pattern of them; images; - for stdin.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            *("--output", "-o"),
            parser=path,
            help="Parquet, CSV, TSV, JSON or JSONL file; or a folder, for a file like each input file.",
        ),
    ] = None,
    text_column: Annotated[
        str | None, typer.Option(help="Column of the texts in the input file; text when unset.")
    ] = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    column_names: ColumnNames = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, max=1 << 20, help="Texts or images per batch; as in the run's own evaluation when unset."),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(min=1, help="Name the K most probable classes, instead of the probability of each class."),
    ] = None,
    exact: Exact = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show which words decided, also as .html or .jsonl; or heat maps of images."),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=path,
            help="Of images: a page with a contact sheet by score, heat maps, and what the files say of their origin.",
        ),
    ] = None,
    heat_maps: Annotated[
        int | None, typer.Option(min=0, help="Heat maps on the page, of the lowest scores; 12 when unset.")
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            min=1, max=_PILLOWS_LIMIT, help="Images with more are not read; images.max_pixels of the run when unset."
        ),
    ] = None,
    on: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Classify texts, with the probability of every class; or score images, real or fake."""
    from tithe import config
    from tithe.engines import opened
    from tithe.predict import Answering, TextInput, check_output, is_folder, is_lines, load
    from tithe.train.memory import few_kernels

    if texts and source:
        raise InputError("pass texts or --input, not both")
    if texts == ["-"] or source == Path("-"):
        texts, source = None, None
    if exact and batch_size:
        raise InputError("--exact predicts one input at a time: leave --batch-size out")
    if text_column and (source is None or is_lines(source)):
        raise InputError(f"--text-column {text_column} is for a table: pass a Parquet, CSV or JSONL file with --input")
    if output is None and stdout_is_closed():
        raise InputError("standard output is closed: pass --output FILE")
    if output and as_json and not explain:
        echo("--json has no effect: the predictions go to --output", err=True)
    if source and output and source.resolve() == output.resolve():
        raise InputError(f"--output {output} would overwrite the input: choose another name")
    if output and source is None and is_folder(output) and not explain:
        raise InputError(f"can't write to the folder {output} without --input: pass one, or a file as --output")
    if output and not is_folder(output) and not explain:
        check_output(output)
    if heat_maps is not None and html is None:
        raise InputError(f"--heat-maps {heat_maps} is for a page: pass --html FILE")
    if html:
        storage.check_writable_file(html)
    if on and not (source and output and not explain):
        raise InputError("--cluster is for a file, or a folder of images: pass one with --input, and --output")
    engine = opened("ray", cluster(on)) if on else nullcontext()
    written = config.section(config.Layout, layout(delimiter, encoding, column_names), "tithe predict")
    if source is None and written != config.Layout():
        raise InputError("--delimiter, --encoding and --column-names are for a file: pass one with --input")
    given = TextInput(source, text_column or "text", written) if source else None
    if explain:
        if batch_size or top_k or html or max_pixels:
            others = "--batch-size, --top-k, --html and --max-pixels"
            raise InputError(f"{others} have no effect on --explain: leave them out")
        explaining.explain(checkpoint, texts, given, output, exact, as_json)
        return
    with quiet_libraries(), few_kernels(), engine as workers:
        model = load(checkpoint).exactly() if exact else load(checkpoint)
        how = Answering(batch_size, top_k, max_pixels)
        out = _Out(output, as_json, html, _HEAT_MAPS if heat_maps is None else heat_maps, workers)
        (_score if model.run.task == "image" else _answer)(model, texts, given, how, out)


class _Out(NamedTuple):
    """Where predictions go: to a file or a folder, to standard output, or to a page with so many heat maps too.

    Those of files are made by `workers`, if there are any.
    """

    output: Path | None
    as_json: bool
    page: Path | None = None
    heat_maps: int = _HEAT_MAPS
    workers: Engine | None = None


def _answer(model: TrainedModel, texts: list[str] | None, source: TextInput | None, how: Answering, out: _Out) -> None:
    """Print predictions of texts, or write them."""
    from tithe.predict import predict_files, predict_stream

    if out.page:
        raise InputError(f"--html {out.page} is for images: pass --explain --output {out.page} for words that decided")
    if source and out.output:
        begun = time.monotonic()
        count = predict_files(model, source, out.output, how, out.workers)
        rate = round(count / max(time.monotonic() - begun, 1e-9))
        echo(f"{counted(count, 'prediction')} in {out.output}: {counted(rate, 'text')} a second", err=True)
        return
    _put_out(predict_stream(model, texts, source, how), out)


def _score(model: TrainedModel, texts: list[str] | None, source: TextInput | None, how: Answering, out: _Out) -> None:
    """Print scores of images, or write them; fail if not one could be read."""
    if out.workers and out.page:
        raise InputError("--cluster only scores, and a page of --html shows pixels: leave one of them out")
    from tithe.evaluate.picture_page import PicturePage
    from tithe.predict import is_folder, score_stream

    if out.output and is_folder(out.output):
        raise InputError(f"--output {out.output} is a folder: the scores of all images are one table, so name a file")

    page = PicturePage(model, out.heat_maps, how.max_pixels)
    scores = score_stream(model, texts, source, how, page.look if out.page else None, out.workers)
    _put_out(page.watch(scores), out)
    if out.page:
        page.write(out.page, [*(texts or ()), *([str(source.path)] if source else ())])
        echo(f"page in {out.page}", err=True)
    if not page.scored:
        raise TitheError(f"no image could be read: {', '.join(f'{why} {n}' for why, n in page.unread.items())}")


def _put_out(predictions: Predictions, out: _Out) -> None:
    from tithe.predict import jsonable, write

    if out.output:
        count = write(out.output, predictions.rows, predictions.schema)
        echo(f"{counted(count, 'prediction')} in {out.output}", err=True)
        return
    for row in predictions.rows:
        echo(json_text(jsonable(row)) if out.as_json else predictions.as_line(row))
