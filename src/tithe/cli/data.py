"""Commands for data: fetch, prepare, describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tithe.cli.messages import in_option_names
from tithe.cli.options import (
    AsJson,
    ColumnNames,
    Delimiter,
    Encoding,
    layout,
    path,
    print_json,
    quiet_libraries,
)
from tithe.console import counted, echo
from tithe.errors import InputError

if TYPE_CHECKING:  # slow to import
    from tithe.config import Data
    from tithe.data import Splits

data_app = typer.Typer(rich_markup_mode=None)


@data_app.command(
    epilog="Example: tithe fetch reviews, tithe fetch stanfordnlp/imdb --split train, or tithe fetch e5-small"
)
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="Built-in data set, OWNER/NAME of one on the Hugging Face hub, or an encoder: e5-small, clip-vit-b16."
        ),
    ],
    subset: Annotated[str | None, typer.Option(help="Subset of a hub data set; its default when unset.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of a hub data set; all labelled ones when unset.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the texts, for a hub data set.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of the classes, for a hub data set.")] = None,
    out: Annotated[Path | None, typer.Option(parser=path, help="Folder for a copy; only the cache when unset.")] = None,
    as_json: AsJson = False,
) -> None:
    """Download a data set as Parquet (text, label), or an encoder as a model folder, and print its path."""
    from tithe import storage
    from tithe.fetch import catalog, downloads, generators, hub
    from tithe.fetch.encoders import ENCODERS

    if out:
        storage.check_writable_folder(out)
    request = hub.DatasetRequest(subset, split, text_column, label_column)
    if (given := list(request.given())) and (name in ENCODERS or name == generators.FACES_NAME):
        kind = "an encoder" if name in ENCODERS else "a set of images"
        raise InputError(f"{name} is {kind}: leave --{given[0].replace('_', '-')} out, which is for data sets")
    if name == generators.FACES_NAME:
        file = generators.fetch_faces()
        file = downloads.copy_folder(file, out / name) if out else file
    elif name in ENCODERS:
        file = ENCODERS[name].fetch()
        file = ENCODERS[name].copy(out) if out else file
    else:
        file = catalog.fetch(name, request)
        file = downloads.copy(file, out) if out else file
    if as_json:
        print_json({"path": str(file)})
        return
    echo(file)


@data_app.command(epilog="Example: tithe prepare data/raw --out data/combined_processed")
def prepare(
    raw: Annotated[Path, typer.Argument(parser=path, help="Folder of *.json parts, or a single part.")],
    out: Annotated[Path, typer.Option(parser=path, help="Folder for the merged data set and its mapping.")],
    skip_wrong: Annotated[
        bool, typer.Option("--skip-wrong", help="Skip invalid records, and list them in rejected.jsonl.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Merge raw JSON parts into one data set with symbols for classes."""
    from tithe.data.text.merge_parts import merge

    merged = merge(raw, out, skip_wrong)
    if as_json:
        files = {name: str(getattr(merged, name)) for name in ("dataset", "mapping", "parquet")}
        print_json({**asdict(merged), **files})
        return
    for part, count in merged.parts.items():
        echo(f"{count:>9}  {part}")
    echo(f"{merged.records:>9}  records of {len(merged.classes)} classes in {merged.dataset}")
    if merged.wrong:
        echo(f"{merged.wrong:>9}  invalid records skipped, see {out / 'rejected.jsonl'}")
    echo(f"classes and their symbols in {merged.mapping}")


@data_app.command(epilog="Example: tithe describe rows.parquet --json, or tithe describe photographs/")
@in_option_names
def describe(
    file: Annotated[
        Path,
        typer.Argument(
            parser=path, help="Parquet, CSV or JSONL file of texts, folder or pattern of them, folder of images."
        ),
    ],
    text_column: Annotated[str | None, typer.Option(help="Column of the texts; text when unset.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of the classes; label when unset.")] = None,
    validation: Annotated[str | None, typer.Option(help="The same, of the rows of the validation split.")] = None,
    test: Annotated[str | None, typer.Option(help="The same, of the rows of the test split.")] = None,
    split_column: Annotated[
        str | None, typer.Option(help="Column that says of each row whether it is train, validation or test.")
    ] = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    column_names: ColumnNames = None,
    images: Annotated[bool, typer.Option("--images", help="The file is a CSV that lists images.")] = False,
    encoder: Annotated[
        str | None, typer.Option(help="Encoder whose tokenizer counts tokens, to show what max_length cuts off.")
    ] = None,
    max_length: Annotated[int, typer.Option(min=1, help="Tokens kept of each text, with --encoder.")] = 256,
    as_json: AsJson = False,
) -> None:
    """Show the result of cleaning and splitting data, without training."""
    from tithe import config
    from tithe.data.images import kind_of_folder, load_images

    of_texts = {
        **{"text_column": text_column, "label_column": label_column, "validation": validation, "test": test},
        "split_column": split_column,
    }
    given = {key: value for key, value in of_texts.items() if value is not None}
    written = {"path": str(file), **layout(delimiter, encoding, column_names)}
    if images or (file.is_dir() and kind_of_folder(file) == "images"):
        if encoder:
            raise InputError("--encoder counts the tokens of texts: leave it out for images")
        for key, value in given.items():
            raise InputError(f"--{key.replace('_', '-')} {value} is for texts: leave it out for images")
        settings = config.section(config.Data, written, "tithe describe")
        splits, print_report = load_images(settings, config.Images(), seed=0), _print_images
    else:
        settings = config.section(config.Data, {**written, **given}, "tithe describe")
        splits, print_report = _load_texts(settings, encoder, max_length), _print_texts
    if as_json:
        print_json(splits.report)
        return
    report = splits.report
    echo(f"{file.name or file.resolve().name}: {counted(report['rows_read'], 'row')} read, {report['rows_kept']} kept")
    for reason, count in report["dropped"].items():
        echo(f"  dropped as {reason}: {count}")
    print_report(report)
    parts = report["splits"]
    origin = "default settings"
    if given_parts := parts.get("given"):
        origin = f"given: {', '.join(_of_given(name, counts) for name, counts in given_parts.items())}"
    echo(f"split: train {parts['train']}, validation {parts['val']}, test {parts['test']} ({origin})")
    if untrained := parts.get("not_in_training"):
        echo(f"classes without training rows: {', '.join(untrained)}")
    if small := parts["too_small_to_split"]:
        echo(f"too small to split, only in train: {', '.join(small)}")
    echo(f"list of dropped rows: {splits.dropped}")


def _of_given(name: str, counts: Mapping[str, int]) -> str:
    repeated = f", {counts['repeated']} of them repeat a text of it" if counts["repeated"] else ""
    return f"{name} {counts['rows']}{repeated}"


def _load_texts(settings: Data, encoder: str | None, max_length: int) -> Splits:
    """Return the rows, split; their report counts tokens if there is an encoder."""
    from tithe import config, data, tasks

    if encoder is None:
        return data.load(settings, seed=0)
    from tithe.train import setup  # slow to import

    model = config.section(config.Model, {"encoder": encoder, "max_length": max_length}, "tithe describe")
    with quiet_libraries():
        task = tasks.open_task(config.Run(data=settings, model=model))
        return setup.encode(task, task.load())[1]


def _print_texts(report: Mapping[str, Any]) -> None:
    from tithe.data.text import truncation

    words = report["words"]
    echo(f"words per text: mean {words['mean']}, median {words['median']}, 95th percentile {words['p95']}")
    if "tokens" in report:
        echo(truncation.sentence(report["tokens"]))
    _print_classes(report)
    near, leaked = report["near_duplicates"], report["splits"]["near_copies_in_train"]
    groups = f"{counted(near['groups'], 'group')} ({near['of_different_classes']} of several classes)"
    copies = f"{leaked['val']} in validation, {leaked['test']} in test"
    echo(f"near-duplicates: {counted(near['rows'], 'row')} in {groups}; copies of training rows: {copies}")


def _print_images(report: Mapping[str, Any]) -> None:
    for side, spread in report["sizes"].items():
        echo(f"{side}: from {spread['min']} to {spread['max']} pixels, median {spread['median']}")
    _print_classes(report)
    for label, formats in report["formats"].items():
        echo(f"formats of {label}: {', '.join(f'{name} {count}' for name, count in formats.items())}")
    near, probe = report["near_duplicates"], report["splits"]["format_leak"]
    alike = f"{counted(near['images'], 'image')} in {counted(near['groups'], 'group')}"
    echo(f"near-duplicates: {alike}, which splits keep together")
    if probe["auc"] is not None:
        echo(f"classes predicted from the file format alone: AUC {probe['auc']} (chance: up to {probe['chance']})")


def _print_classes(report: Mapping[str, Any]) -> None:
    echo(f"{counted(len(report['classes']), 'class')}:")
    for label, count in sorted(report["classes"].items(), key=lambda item: -item[1]):
        echo(f"  {count:>8}  {label}")
