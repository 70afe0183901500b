"""Descriptions of Debian packages, out of a real archive that nobody else sees."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from support.downloads import cached
from tithe import storage
from tithe.errors import TitheError
from tithe.fetch import catalog, debian


def stanza(name: str, section: str, described: str) -> str:
    return f"Package: {name}\nVersion: 1\nArchitecture: all\nSection: {section}\nDescription-md5: {described * 32}\n"


PACKAGES = "\n".join(
    [stanza("zoo", "games", "a"), stanza("zoo-data", "non-free/games", "b"), stanza("lib", "libs", "c")]
)
GERMAN = f"""Package: zoo
Description-md5: {"a" * 32}
Description-de: ein  Tierpark
 Mit Löwen
 .
  * und Bären.

Package: zoo-data
Description-md5: {"b" * 32}
Description-de: Tiere
"""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of three packages, two of them described in German, the only one that apt knows."""
    if not shutil.which("apt-get"):
        pytest.skip("needs apt")
    root = tmp_path / "debian/dists/stable"
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    contents = {f"main/binary-{machine}/Packages": PACKAGES, "main/i18n/Translation-de": GERMAN}
    release = f"Suite: stable\nCodename: stable\nArchitectures: {machine}\nComponents: main\nSHA256:\n"
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text, encoding="utf-8")
        release += f" {storage.sha256_file(root / name)} {len(text.encode())} {name}\n"
    (root / "Release").write_text(release)
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{tmp_path}/debian stable main\n")
    settings = {"Dir::Etc::SourceList": f"{tmp_path}/sources.list", "Dir::Etc::SourceParts": "/dev/null"}
    (tmp_path / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.setitem(debian.LANGUAGES, "packages_de", "de")
    return root


def test_packages_are_labelled_by_their_section(archive: Path) -> None:
    path = catalog.fetch("packages_de")
    found = {"text": ["ein Tierpark Mit Löwen * und Bären.", "Tiere"], "label": ["games", "games"]}
    assert pq.read_table(path).to_pydict() == found
    assert cached() == ["packages_de.json", "packages_de.parquet"]
    files = storage.read_json(path.with_suffix(".json"))["files"]
    assert [name.rpartition("_")[2].partition(".")[0] for name in files] == ["Packages", "Translation-de"]


@pytest.mark.parametrize("instead", [None, PACKAGES.replace("games", "lames")], ids=["gone", "other bytes"])
def test_an_archive_that_is_not_as_it_says_is_refused(instead: str | None, archive: Path) -> None:
    listed = next(archive.glob("main/binary-*/Packages"))
    listed.unlink() if instead is None else listed.write_text(instead)
    with pytest.raises(TitheError, match=r"could not fetch its lists \(E: .*nothing is cached yet") as error:
        catalog.fetch("packages_de")
    assert len(str(error.value).splitlines()) == 1 and cached() == []


def test_without_apt_there_are_no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        TitheError, match="needs apt-get, and it is not installed; nothing is cached yet; without a hub"
    ):
        catalog.fetch("packages_en")
