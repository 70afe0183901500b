"""Options and output shared by several commands."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tithe import storage
from tithe.console import echo, json_text
from tithe.errors import InputError

if TYPE_CHECKING:  # slow to import
    from tithe import config


def path(text: str) -> Path:
    """Parse a path of the command line: every option and argument that takes one has `parser=path`.

    Raises
    ------
    InputError
        It is empty, as of an unset variable, or its home folder is unknown.
    """
    if not text:
        raise InputError("a path on the command line is empty: leave the option out, or set the variable in it")
    return Path(storage.expand_home(text))


ConfigFile = Annotated[
    Path, typer.Argument(metavar="CONFIG", parser=path, help="YAML or JSON, native or in a recipe format.")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one setting; repeatable.")]
Delimiter = Annotated[str | None, typer.Option(help="Character between the fields of CSV, or tab.")]
Encoding = Annotated[str | None, typer.Option(help="Encoding of CSV or plain text, such as cp1251; UTF-8 when unset.")]
ColumnNames = Annotated[
    str | None, typer.Option(metavar="NAME,NAME", help="Names of the columns of CSV without a header line.")
]
Cluster = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster",
        metavar="KEY=VALUE",
        help="Predict by workers of Ray: num_workers=4, or another setting of cluster; repeatable.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON.")]
AlwaysJson = Annotated[bool, typer.Option("--json", expose_value=False, help="Has no effect: the output is JSON.")]


def layout(delimiter: str | None, encoding: str | None, column_names: str | None) -> dict[str, Any]:
    """Return the options on how a file is written, as settings of `data`; those that are given."""
    names = column_names.split(",") if column_names is not None else None
    given = {"delimiter": delimiter, "encoding": encoding, "column_names": names}
    return {key: value for key, value in given.items() if value is not None}


def cluster(pairs: list[str]) -> config.Cluster:
    """Return the settings of a cluster that are given as `key=value`.

    Raises
    ------
    InputError
        One of them is not, or not a setting of it.
    """
    from tithe import config
    from tithe.config.files import override

    for pair in pairs:
        if "=" not in pair:
            raise InputError(f"--cluster {pair} is not KEY=VALUE: write for example --cluster num_workers=4")
    return config.section(config.Cluster, dict(map(override, pairs)), "--cluster")


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the libraries' own bars and notes off a terminal on which ours run, while the block runs."""
    parallelism = os.environ.get("TOKENIZERS_PARALLELISM", "true")
    with storage.environment_variable("TOKENIZERS_PARALLELISM", parallelism):
        from transformers.utils import logging as transformers_logging

        verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            transformers_logging.set_verbosity(verbosity)
            if bars:
                transformers_logging.enable_progress_bar()


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    echo(json_text(value, indent=2))
