"""Members of other packages and strategies in files: found, refused in one line, hashed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.packages import READER, STRATEGY, install
from tithe import config, data, plugins
from tithe.errors import InputError

Tithe = Callable[..., tuple[Any, str, list[str]]]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, on the path of this process."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    clear()
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    clear()


def clear() -> None:
    plugins.names.cache_clear()
    plugins._offered.cache_clear()


def refusal(family: str, name: str) -> str:
    with pytest.raises(InputError) as caught:
        plugins.load(family, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- packages


def test_a_package_adds_a_member(site: Path) -> None:
    install(site, "acme-picks", {"acme_short": STRATEGY}, strategies="short = acme_short")
    assert "short" in plugins.names("strategies") and "acme_short" not in sys.modules, "names import nothing"
    assert plugins.load("strategies", "short").NEEDS == ("lengths",)
    assert refusal("strategies", "shorty") == "unknown strategy 'shorty': did you mean 'short'?"
    assert "short" not in plugins.names("readers")


def test_a_name_that_is_taken_is_refused_and_the_others_work(site: Path, tmp_path: Path, tithe: Tithe) -> None:
    install(site, "acme-picks", {"acme_random": STRATEGY}, strategies="random = acme_random")
    says = "tithe and acme-picks 1.0 each have a strategy 'random': uninstall acme-picks 1.0, or have its entry point"
    assert refusal("strategies", "random").startswith(says)
    code, _, err = tithe("select", tmp_path / "rows.parquet", "--strategy", "k_center", "--out", tmp_path / "p.parquet")
    assert code == 2 and err[-1].startswith("error: no data file"), "it went past the strategy"
    assert plugins.load("strategies", "k_center")
    assert tithe("--help")[0] == 0


def test_two_packages_with_one_name_are_refused(site: Path) -> None:
    for name in ("acme-picks", "other-picks"):
        install(site, name, {"acme_short": STRATEGY}, strategies="short = acme_short")
    said = refusal("strategies", "short")
    assert "acme-picks 1.0" in said and "other-picks 1.0" in said and "each have a strategy 'short'" in said


BROKEN = {
    "missing = acme_absent": "can't be imported (ModuleNotFoundError: No module named 'acme_absent'): repair or uninst",
    "missing = acme_raises": "can't be imported (RuntimeError: two): repair or uninstall",
    "missing = acme_short:score": "is not a module: its entry point must name one without ':'",
    "missing = acme_empty": "is not a strategy: it has no NEEDS and no score or pick or match or decide (",
}
MODULES = {"acme_raises": "raise RuntimeError('two\\nlines')", "acme_short": STRATEGY, "acme_empty": ""}


@pytest.mark.parametrize("line", BROKEN)
def test_a_broken_member_is_one_line_when_it_is_used(site: Path, line: str) -> None:
    install(site, "acme-picks", MODULES, strategies=f"{line}\nshort = acme_short")
    said = refusal("strategies", "missing")
    assert said.startswith("strategy 'missing' of the package acme-picks 1.0 ") and BROKEN[line] in said
    assert plugins.load("strategies", "short")


def test_a_broken_member_is_passed_over_where_all_are_looked_through(
    site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(site, "acme-picks", MODULES, strategies="missing = acme_absent\nshort = acme_short")
    names = [name for name, _ in plugins.each("strategies")]
    assert "missing" not in names and {"short", "random"} <= set(names)
    assert len([r for r in caplog.records if "strategy 'missing' of the package acme-picks 1.0" in r.message]) == 1


def test_the_command_line_survives_a_broken_package(site: Path) -> None:
    entry = "missing = acme_absent"
    install(site, "acme-picks", {}, strategies=entry, readers=entry, trackers=entry, formats=entry)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    for arguments in (["--help"], ["train", "--help"], ["config", "explain"]):
        done = subprocess.run(
            [sys.executable, "-m", "tithe", *arguments], env=environment, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert plugins.names("formats") == plugins._own("formats"), "this family is not open"


# ---- readers


def pipes(path: Path) -> Path:
    lines = [f"text number {i}|{'cat' if i % 2 else 'dog'}" for i in range(20)]
    path.write_text("\n".join(["text|label", *lines]))
    return path


def test_a_reader_of_a_package_claims_its_suffix_and_leaves_the_others(site: Path, tmp_path: Path) -> None:
    code = READER.format(suffixes='(".pipes", ".csv")')
    install(site, "acme-picks", {"acme_pipes": code}, readers="x = acme_pipes")
    assert data.find_reader(pipes(tmp_path / "rows.pipes"), None) == "x"
    assert data.find_reader(pipes(tmp_path / "rows.csv"), None) == "csv"
    dataset, labels, _ = data.ingest(config.Data(path=str(tmp_path / "rows.csv"), reader="x"))
    assert len(dataset) == 20 and labels.names == ("cat", "dog")


def test_a_suffix_of_two_packages_is_refused(site: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        install(site, name, {f"acme_{name}": READER.format(suffixes='(".pipes",)')}, readers=f"{name} = acme_{name}")
    with pytest.raises(InputError, match=r"the readers one and two both claim '\.pipes': set data\.reader to one"):
        data.find_reader(pipes(tmp_path / "rows.pipes"), None)
    assert data.find_reader(tmp_path / "rows.pipes", "two") == "two"


def test_rows_of_an_edited_reader_are_read_again(site: Path, tmp_path: Path) -> None:
    install(site, "acme-picks", {"acme_pipes": READER.format(suffixes='(".pipes",)')}, readers="x = acme_pipes")
    settings = config.Data(path=str(pipes(tmp_path / "rows.pipes")))
    first, again = data.ingest(settings)[0], data.ingest(settings)[0]
    assert first.fingerprint == again.fingerprint
    with (site / "acme_pipes.py").open("a") as file:
        file.write("\n# edited\n")
    assert data.ingest(settings)[0].fingerprint != first.fingerprint


# ---- trackers


def test_a_tracker_of_a_package_has_its_settings_and_no_section(site: Path) -> None:
    raw = {"data": {"path": "rows.parquet"}}
    assert config.parse({**raw, "track": {"plugins": {"x": {"a": 1}}}}).track.plugins == {"x": {"a": 1}}
    with pytest.raises(InputError, match=r"plugins\.mlflow is a tracker of tithe: set track\.mlflow"):
        config.parse({**raw, "track": {"plugins": {"mlflow": {}}}})
    with pytest.raises(InputError, match=r"unknown key 'track\.plugin' in config: did you mean 'plugins'\?"):
        config.parse({**raw, "track": {"plugin": {}}})


# ---- files

FILES = {
    "syntax.py": ("NEEDS = ()\ndef score(pool rng):\n    ...", "syntax.py line 2: SyntaxError: "),
    "raises.py": ("import os\n\nNEEDS = missing", "raises.py line 3: NameError: name 'missing' is not defined"),
    "imports.py": ("import acme_absent", "imports.py line 1: ModuleNotFoundError: No module named 'acme_absent'"),
    "needless.py": ("def score(pool, rng, options): ...", "needless.py is not a strategy: it has no NEEDS (docs/"),
    "silent.py": (
        "NEEDS = ()",
        "silent.py is not a strategy: it has no score or pick or match or decide (docs/extending.md)",
    ),
    "random.py": (STRATEGY, "random.py: there is a strategy 'random' already: rename the file"),
    "bytes.py": ("\0", "bytes.py"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_file_is_one_line(tmp_path: Path, name: str) -> None:
    code, says = FILES[name]
    (tmp_path / name).write_text(code)
    assert says in refusal("strategies", str(tmp_path / name))


def test_a_file_that_is_not_there_is_named_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    says = f"no strategy file picks/short.py (seen from {tmp_path}): pass its path or a name"
    assert refusal("strategies", "picks/short.py") == says
    assert refusal("readers", "picks/csv.py").startswith("unknown reader 'picks/csv.py'"), "files are for strategies"


def test_an_edited_file_is_another_member(tmp_path: Path) -> None:
    file = tmp_path / "short.py"
    file.write_text(STRATEGY)
    first, before = plugins.load("strategies", str(file)), plugins.sha256("strategies", str(file))
    assert plugins.load("strategies", str(file)) is first
    file.write_text(STRATEGY.replace("lengths", "probs"))
    assert plugins.load("strategies", str(file)).NEEDS == ("probs",)
    assert plugins.sha256("strategies", str(file)) != before
    assert plugins.sha256("strategies", "random") is None
    assert plugins.short_name(str(file)) == "short"


def test_the_hash_of_a_package_covers_its_version(site: Path) -> None:
    install(site, "acme-picks", {"acme_short": STRATEGY}, strategies="short = acme_short")
    before = plugins.sha256("strategies", "short")
    (site / "acme_picks-1.0.dist-info").rename(site / "acme_picks-1.1.dist-info")
    metadata = site / "acme_picks-1.1.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace("1.0", "1.1"))
    clear()
    assert before and plugins.sha256("strategies", "short") != before
