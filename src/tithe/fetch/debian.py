"""Descriptions of Debian packages, by section, from the archive that apt is set up with.

Nothing of the system changes: apt fetches its lists into a folder of ours, and checks their signatures as always. An
archive moves on, so there is no hash to expect: those of the lists that were read are noted.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tithe.errors import TitheError

# Data set, and the language of its descriptions.
LANGUAGES = {"packages_en": "en", "packages_ru": "ru"}
LICENCE = "descriptions of Debian packages, each under the licence of its package"


def lists(language: str, folder: Path) -> list[Path]:
    """Fetch the lists of packages and of their descriptions in a language into a folder; return the files.

    Raises
    ------
    TitheError
        There is no apt here, or it can't reach its archive; the message has its last words.
    """
    if not shutil.which("apt-get"):
        raise TitheError("the descriptions come from a Debian archive, and there is no apt-get here")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    places = {"Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache"}
    # As root apt would become another user, who can't write here.
    settings = {
        **places,
        "Acquire::Languages": language,
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
    }
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    done = subprocess.run(["apt-get", *options, "update"], capture_output=True, text=True, check=False)
    found = sorted((folder / "lists").glob("*_Packages*")) + sorted(
        (folder / "lists").glob(f"*_Translation-{language}*")
    )
    if done.returncode or len(found) < 2:
        errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise TitheError(f"apt-get could not fetch its lists ({errors[-1] if errors else 'it found none'})")
    return found


def rows(files: list[Path], language: str) -> Iterator[tuple[str, str]]:
    """Yield (short and long description, section without its area) of every package that has both."""
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
    """Yield the paragraphs of a control file (deb822): fields, each with the lines that continue it."""
    # The lists may be compressed in any way that apt knows.
    done = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", file], capture_output=True, check=True)
    for paragraph in done.stdout.decode("utf-8", "replace").split("\n\n"):
        fields = re.findall(r"^([^\s:]+):[ \t]*(.*(?:\n[ \t].*)*)", paragraph, re.MULTILINE)
        if fields:
            yield dict(fields)


def _text(description: str) -> str:
    """Return a description as one line; a line with a point alone stands for an empty one."""
    return " ".join(word for line in description.splitlines() if line.strip() != "." for word in line.split())
