"""`--json` of every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import Run, Settings, Trained, write_config
from tithe.cli.main import _commands, root_command


@pytest.mark.parametrize("command", list(_commands(root_command())), ids=lambda command: command.name)
def test_every_command_has_it(command: object) -> None:
    assert "--json" in [name for option in command.params for name in option.opts]  # type: ignore[attr-defined]


def test_the_small_commands_print_json(trained: Trained, settings: Settings, run: Run, tmp_path: Path) -> None:
    file = write_config(tmp_path / "config.json", settings())
    assert json.loads(run("config", "check", file, "--json").out) == {"config": str(file), "correct": True}
    assert json.loads(run("config", "show", file, "--json").out) == json.loads(run("config", "show", file).out)
    explained = json.loads(run("config", "explain", "--json").out)
    assert {"setting": "seed", "type": "int", "default": "0"}.items() <= next(
        line for line in explained if line["setting"] == "seed"
    ).items()
    verified = json.loads(run("verify", trained.home, "--json").out)
    assert verified == {"run": str(trained.home), "verified": [f"{trained.home}: every file is unchanged"]}


def test_the_merged_parts_are_counted_in_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "part.json").write_text('[{"input": "one", "output": "x"}, {"input": "two", "output": "y"}]')
    merged = json.loads(run("prepare", tmp_path / "part.json", "--out", tmp_path / "out", "--json").out)
    assert merged["records"] == 2 and merged["classes"] == {"x": 1, "y": 1} and merged["wrong"] == 0
    assert Path(merged["dataset"]).is_file() and Path(merged["mapping"]).is_file()
