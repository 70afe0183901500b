"""Every example of docs/extending.md is what it says: files, a package that pip installs, commands, tests."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support import processes
from support.paths import ROOT
from support.texts import make_texts, write_rows

DOCUMENT = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line) for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
# All commands in one process, which imports the libraries once.
DRIVER = """
import json, sys
from tithe.cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = arguments
    try:
        main()
    except SystemExit as end:
        print("ENDED", end.code, *arguments, flush=True)
"""


class Project(NamedTuple):
    """The folder of a reader of the document, and what their commands see."""

    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return processes.run(*arguments, cwd=self.folder, env=self.environment)

    def tithe(self, commands: list[list[str]]) -> str:
        """Run commands in turn and return what they print."""
        done = self.run("-c", DRIVER, json.dumps(commands))
        ends = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("ENDED")]
        assert ends == ["0"] * len(commands), done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Project:
    folder = tmp_path_factory.mktemp("project")
    for _, text in BLOCKS:
        if name := re.match(r"# (\S+\.(?:py|toml|yaml))\n", text):
            (folder / name[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / name[1]).write_text(text, encoding="utf-8")
    package = folder / "acme-picks/acme_picks"
    (package / "__init__.py").touch()
    (package / "least_confident.py").write_text((folder / "least_confident.py").read_text())
    write_rows(folder / "rows.parquet", *make_texts(60))
    model = {"encoder": str(tiny_bert), "max_length": 32}
    raw = {"data": {"path": "rows.parquet"}, "model": model, "train": {"epochs": 1}, "track": {"tensorboard": False}}
    (folder / "config.yaml").write_text(json.dumps(raw))
    path = os.pathsep.join([str(folder / "site"), *(entry for entry in sys.path if entry)])
    cache = str(tmp_path_factory.mktemp("cache"))
    environment = {**os.environ, "PYTHONPATH": path, "TITHE_CACHE": cache, "PYTHONDONTWRITEBYTECODE": "1"}
    return Project(folder, environment)


@pytest.fixture(scope="module")
def said(project: Project) -> str:
    """What the commands of the document print, one after the other, the package being installed in between."""
    (install,) = (command for command in COMMANDS if command[0] == "pip")
    place = COMMANDS.index(install)
    rows = {"text": [f"text number {i}" for i in range(20)], "label": ["a", "b"] * 10}
    (project.folder / "rows.columns").write_text(json.dumps(rows))
    before = project.tithe(COMMANDS[:place])
    # As the document says, but into a folder of its own, and without the network.
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", "site"]
    done = project.run("-m", *install, *offline)
    assert done.returncode == 0, done.stderr
    return before + project.tithe([*COMMANDS[place + 1 :], ["tithe", "describe", "rows.columns"]])


def account(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


def test_the_commands_do_what_the_document_says(project: Project, said: str) -> None:
    folder = project.folder
    by_package, in_run = account(folder / "picks.json"), account(folder / "runs/selected/selection.json")
    assert by_package["strategy"] == in_run["strategy"] == "least_confident"
    assert by_package["settings"]["strategy"] == "least_confident", "the last command took that of the package"
    assert in_run["settings"]["strategy"] == "least_confident.py" and in_run["rows"] == 10
    assert account(folder / "short.json")["settings"]["options"] == {"least": 6}
    standings = account(folder / "suites/first/suite.json")["standings"]
    assert {line["strategy"] for line in standings} == {"all", "random", "least_confident", "k_center"}
    journal = (folder / "runs/mirrored/journal").read_text().splitlines()
    assert journal[0].startswith("first settings of") and journal[-1] == "first finished"
    assert any(line.startswith("first step") and "val/f1" in line for line in journal)
    assert "journal" in account(folder / "runs/mirrored/manifest.json"), "it is vouched for with the run"
    assert "rows.columns: 20 rows read, 20 kept" in said


def test_the_checks_of_the_document_pass(project: Project, said: str) -> None:
    names = sorted(path.name for path in project.folder.glob("test_*.py"))
    assert names == ["test_columns.py", "test_journal.py", "test_least_confident.py"]
    done = project.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, *names)
    assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout + done.stderr


def test_the_contracts_need_no_pytest(project: Project) -> None:
    code = "import sys; sys.modules['pytest'] = None; import tithe.testing"  # None: an import of it fails
    assert project.run("-c", code).returncode == 0


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "python"], ids=lambda text: text.split()[1])
def test_every_example_is_a_file_of_the_project(text: str, project: Project) -> None:
    assert (project.folder / text.split()[1]).read_text(encoding="utf-8") == text


def test_the_signals_are_those_of_the_document() -> None:
    from tithe.testing import example_pool

    assert set(example_pool().signals) == set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", DOCUMENT, re.M)))
    )
