"""The command that looks at labelled texts before training: audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tithe.cli.options import AsJson, Set, path, print_json, quiet_libraries
from tithe.cli.select import Encoder, FileOptions, LabelColumn, MaxLength, TextColumn
from tithe.console import echo

audit_app = typer.Typer(rich_markup_mode=None)


@audit_app.command(epilog="Example: tithe audit rows.parquet --out audits/rows")
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
