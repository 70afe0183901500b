"""Commands that inspect runs and the machine: compare, verify, doctor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tithe.cli.messages import in_own_names
from tithe.cli.options import AsJson, Set, path, print_json, quiet_libraries
from tithe.console import echo
from tithe.errors import InputError

if TYPE_CHECKING:  # slow to import
    from tithe.train.doctor import Prognosis

proof_app = typer.Typer(rich_markup_mode=None)


@proof_app.command(epilog="Example: tithe compare runs --baseline runs/first --column seed --csv compared.csv")
def compare(
    runs: Annotated[
        list[Path], typer.Argument(parser=path, help="Run directories, or a folder of them; the first is the baseline.")
    ],
    baseline: Annotated[Path | None, typer.Option(parser=path, help="Run that the others are compared with.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Setting to show even if it does not differ; repeatable.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(parser=path, help="Also write an HTML page with curves to this file.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(parser=path, help="Also write a table with a line for each run to this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs: settings that differ, results, and whether differences are beyond chance."""
    from tithe import storage
    from tithe.compare import compare_runs, page, spreadsheet

    for file in (html, csv):
        if file:
            storage.check_writable_file(file)
    compared = compare_runs([*([baseline] if baseline else []), *runs], column or ())
    if html:
        page.write_page(compared, html)
    if csv:
        spreadsheet.write_csv(compared, csv)
    if as_json:
        print_json(compared.as_json())
        return
    echo(page.text(compared))
    if html:
        echo(f"\npage with curves  {html}")
    if csv:
        echo(f"\ntable             {csv}")


@proof_app.command(epilog="Example: tithe verify runs/first")
def verify(
    run: Annotated[Path, typer.Argument(parser=path, help="Run directory, checkpoint, or folder of an export.")],
    data: Annotated[
        Path | None, typer.Option(parser=path, help="File with the rows of an export; where it found them when unset.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the hash of every file, and the freeze proof of a run, or the parity of an export."""
    from tithe.export import is_export, verify_export
    from tithe.runs.verify import verify_run

    exported = is_export(run)
    if data and not exported:
        raise InputError(f"--data is for the rows of an export, and {run} is none: leave it out")
    with quiet_libraries():
        lines = verify_export(run, data) if exported else verify_run(run)
    if as_json:
        print_json({"run": str(run), "verified": lines})
        return
    echo("\n".join(lines))


@proof_app.command(epilog="Example: tithe doctor config.yaml --set train.batch_size=32")
@in_own_names
def doctor(
    config_file: Annotated[
        Path | None,
        typer.Argument(metavar="[CONFIG]", parser=path, help="Foretell the memory of a run with this config instead."),
    ] = None,
    settings: Set = None,
    cache: Annotated[bool, typer.Option("--cache", help="List the content of the cache instead.")] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="With --cache: delete everything that can be recomputed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what this machine supports, the memory that a run will need, or the content of the cache."""
    if clear and not cache:
        raise InputError("--clear deletes from the cache: write doctor --cache --clear")
    if cache and config_file:
        raise InputError("--cache lists the cache, and a config is for the memory of a run: pass only one of them")
    if settings and not config_file:
        raise InputError(
            "--set changes a config: name its file, as in tithe doctor config.yaml --set train.batch_size=8"
        )
    if cache:
        _print_cache(clear, as_json)
        return
    if config_file:
        _print_memory(config_file, settings or (), as_json)
        return
    from tithe.train.doctor import examine

    findings = examine()
    if as_json:
        print_json(findings)
        return
    for name, value in findings.items():
        echo(f"{name:<24} {', '.join(value) if isinstance(value, list) else value}")


def _print_memory(config_file: Path, settings: Sequence[str], as_json: bool) -> None:
    from tithe import config, pipeline
    from tithe.train.cures import amount
    from tithe.train.doctor import foretell

    with quiet_libraries():
        prognosis = foretell(pipeline.check(config.load(config_file, settings)))
    if as_json:
        print_json(_as_values(prognosis))
        return
    f = prognosis.forecast
    rows = f"{f.batch_size} row{'s' * (f.batch_size > 1)}"
    rows += f" of {prognosis.longest} tokens" if prognosis.longest else ""
    for name, value in {
        "peak of private memory": amount(f.peak),
        "  Python, libraries, data": amount(f.present),
        "  trained weights": amount(f.weights),
        "  averages of AdamW": amount(f.averages),
        "  gradients and a batch": f"{amount(f.batch)} ({rows})",
        "  compiled kernels": amount(f.kernels),
        "free memory": f"{amount(prognosis.free)}: {'it fits' if f.growth <= prognosis.free else 'it does not fit'}",
    }.items():
        echo(f"{name:<26} {value}")
    for cure in prognosis.cures:
        note = "" if cure.keeps_result else " (another result)"
        echo(f"{amount(cure.forecast.peak)} with --set {' --set '.join(cure.settings.split())}{note}")


def _as_values(prognosis: Prognosis) -> dict[str, Any]:
    f = prognosis.forecast
    parts = {
        name: getattr(f, name) for name in ("peak", "growth", "present", "weights", "averages", "batch", "kernels")
    }
    cures = [{"set": c.settings, "keeps_result": c.keeps_result, "peak": c.forecast.peak} for c in prognosis.cures]
    return {**parts, "free": prognosis.free, "cures": cures}


def _print_cache(clear: bool, as_json: bool) -> None:
    from tithe import storage
    from tithe.storage import cache

    freed = cache.clear() if clear else 0
    entries = cache.entries()
    if as_json:
        listed = [
            {"kind": e.kind, "path": str(e.path), "bytes": e.bytes, "unused_seconds": int(e.age)} for e in entries
        ]
        print_json({"folder": str(storage.cache_dir()), "limit": cache.limit(), "freed": freed, "entries": listed})
        return
    for entry in sorted(entries, key=lambda e: -e.bytes):
        unused = f"{entry.age / 86400:.1f} days"
        echo(f"{entry.kind:<10} {entry.bytes / 1e6:>10.1f} MB  unused for {unused:>10}  {entry.path.name}")
    computed = sum(e.bytes for e in entries if e.kind in cache.COMPUTED)
    echo(f"{storage.cache_dir()}: {computed / 1e9:.2f} GB of {cache.limit() / 1e9:.0f} GB used by computed results")
    if clear:
        echo(f"freed {freed / 1e6:.1f} MB; downloads are kept")
