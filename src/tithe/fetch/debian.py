"""Descriptions of Debian packages, labelled by section, from the archive that apt is configured for.

The system does not change: apt downloads its lists into a temporary folder and checks their signatures as usual. An
archive changes over time, so no hash is expected; the hashes of the lists that were read are recorded.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tithe.errors import TitheError

# The language of the descriptions, by data set.
LANGUAGES = {"packages_en": "en", "packages_ru": "ru"}
LICENCE = "descriptions of Debian packages, each under the licence of its package"


def fetch_lists(language: str, folder: Path) -> list[Path]:
    """Download the lists of packages and of their descriptions in a language; return the files.

    Raises
    ------
    TitheError
        apt-get is not installed or cannot reach its archive; the message has its last error.
    """
    if not shutil.which("apt-get"):
        raise TitheError("the descriptions come from a Debian archive, which needs apt-get, and it is not installed")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    places = {"Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache"}
    # As root, apt would switch to a user that cannot write to the folder.
    settings = {
        **places,
        "Acquire::Languages": language,
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
    }
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    result = subprocess.run(["apt-get", *options, "update"], capture_output=True, text=True, check=False)
    files = sorted((folder / "lists").glob("*_Packages*")) + sorted(
        (folder / "lists").glob(f"*_Translation-{language}*")
    )
    if result.returncode or len(files) < 2:
        errors = [line for line in result.stderr.splitlines() if line.startswith("E:")]
        raise TitheError(f"apt-get could not fetch its lists ({errors[-1] if errors else 'it found none'})")
    return files


def rows(files: list[Path], language: str) -> Iterator[tuple[str, str]]:
    """Yield (description, section without its area) of every package that has both."""
    texts: dict[str, str] = {}
    for file in files:
        if "_Translation-" in file.name:
            for stanza in _stanzas(file):
                texts[stanza["Description-md5"]] = _text(stanza.get(f"Description-{language}", ""))
    for file in files:
        if "_Packages" in file.name:
            for stanza in _stanzas(file):
                text, section = texts.get(stanza.get("Description-md5", "")), stanza.get("Section", "")
                if text and section:
                    yield text, section.rpartition("/")[2]


def _stanzas(file: Path) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of a control file (deb822): fields with their continuation lines."""
    # apt-helper handles every compression that apt uses.
    result = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", file], capture_output=True, check=True)
    for paragraph in result.stdout.decode("utf-8", "replace").split("\n\n"):
        fields = re.findall(r"^([^\s:]+):[ \t]*(.*(?:\n[ \t].*)*)", paragraph, re.MULTILINE)
        if fields:
            yield dict(fields)


def _text(description: str) -> str:
    """Return a description as one line; a line with only a dot means an empty line."""
    return " ".join(word for line in description.splitlines() if line.strip() != "." for word in line.split())
