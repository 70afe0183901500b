"""`tithe config`: check, show, schema, explain."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tithe.cli.messages import in_own_names
from tithe.cli.options import AlwaysJson, AsJson, ConfigFile, Set, print_json
from tithe.console import echo

config_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check, show and explain configs.")

Recipe = Annotated[str | None, typer.Option(help="Documented format; the native one when unset.")]


@config_app.command("check", epilog="Example: tithe config check config.yaml")
@in_own_names
def config_check(config_file: ConfigFile, settings: Set = None, as_json: AsJson = False) -> None:
    """Find mistakes in a config without reading data or loading a model."""
    from tithe import config, pipeline

    pipeline.check(config.load(config_file, settings or ()))
    if as_json:
        print_json({"config": str(config_file), "correct": True})
        return
    echo(f"{config_file}: correct")


@config_app.command("show", epilog="Example: tithe config show config.yaml --set train.epochs=2")
@in_own_names
def config_show(config_file: ConfigFile, settings: Set = None, as_json: AlwaysJson = True) -> None:
    """Print the resolved config, secrets masked."""
    from tithe import config

    print_json(config.dump(config.load(config_file, settings or ())))


@config_app.command("schema", epilog="Example: tithe config schema > tithe.schema.json")
def config_schema(
    recipe: Recipe = None,
    as_json: AlwaysJson = True,
) -> None:
    """Print the JSON Schema, for editors."""
    print_json(_config_model(recipe).model_json_schema())


@config_app.command("explain", epilog="Example: tithe config explain --recipe classifier_training")
def config_explain(
    recipe: Recipe = None,
    as_json: AsJson = False,
) -> None:
    """Print every setting, its type, default and meaning, as a Markdown table."""
    from tithe.config.explain import explain

    settings = list(explain(_config_model(recipe)))
    if as_json:
        print_json([dict(zip(("setting", "type", "default", "meaning"), each, strict=True)) for each in settings])
        return
    echo("| setting | type | default | meaning |\n|---|---|---|---|")
    for key, kind, default, meaning in settings:
        echo(f"| `{key}` | {kind.replace('|', '·')} | `{default}` | {meaning} |")


def _config_model(recipe: str | None) -> Any:
    from tithe import config, plugins

    return plugins.load("formats", recipe).Config if recipe else config.Run
