"""The commands that answer over HTTP: serve, board."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tithe.cli.options import AsJson, path, quiet_libraries
from tithe.cli.predict import Exact
from tithe.console import echo, json_text
from tithe.errors import InputError

serve_app = typer.Typer(rich_markup_mode=None)

_TOKEN = "TITHE_TOKEN"


@serve_app.command(epilog="Example: tithe serve runs/first --port 8000")
def serve(
    model: Annotated[
        Path, typer.Argument(parser=path, help="Run, checkpoint, a file inside one, or an export; of texts.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines too.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name by which clients may call the server; repeatable."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(parser=path, help=f"File with the token that clients must send; ${_TOKEN} when unset."),
    ] = None,
    exact: Exact = False,
    max_texts: Annotated[int, typer.Option(min=1, help="Texts of one request.")] = 256,
    max_characters: Annotated[int, typer.Option(min=1, help="Characters of one text.")] = 100_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Bytes of the body of a request.")] = 1 << 20,
    queue: Annotated[
        int, typer.Option(min=1, help="Texts taken on and not answered yet; an explained one counts as 128.")
    ] = 2048,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts of one batch.")] = 32,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Tokens of one batch, padding included.")] = 8192,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds in which a request is answered.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Answer predictions over HTTP, with a page to try them: a text, or many, and the words that decided."""
    from tithe.serve import Address, Limits, serve
    from tithe.web.address import checked_token

    token = ""
    if token_file:
        try:
            token = checked_token(token_file.read_text(encoding="utf-8"), f"--token-file {token_file}")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise InputError(f"--token-file {token_file} can't be read: {reason}") from None
    elif _TOKEN in os.environ:
        token = checked_token(os.environ[_TOKEN], f"${_TOKEN}")
    limits = Limits(
        body_bytes=max_bytes, texts=min(max_texts, queue), characters=max_characters, queue=queue,
        rows=batch_size, tokens=batch_tokens, answer_seconds=timeout,
    )  # fmt: skip

    with quiet_libraries():
        serve(model, Address(host, port, tuple(allow_host or ()), token), limits, exact, _announcing(as_json))


@serve_app.command(epilog="Example: tithe board runs --port 8001")
def board(
    folder: Annotated[
        Path, typer.Argument(parser=path, metavar="[DIR]", help="Folder with runs, or with folders of them.")
    ] = Path(),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8001,
    as_json: AsJson = False,
) -> None:
    """Show all runs, suites and searches of a folder in a browser, live while they run; nothing is written."""
    from tithe.board import board

    board(folder, port, _announcing(as_json))


def _announcing(as_json: bool) -> Callable[[str], None]:
    """Return what prints the URL of a server when it accepts requests."""

    def announce(url: str) -> None:
        echo(json_text({"url": url}) if as_json else url)

    return announce
