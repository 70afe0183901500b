"""Which files of a hub's repository make a data set: by its card, else by the names of files and folders.

The rules are those of the hub's own documents ("Structure your repository", "Manual configuration"), as far as files
go that tithe reads.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from tithe import plugins
from tithe.errors import InputError, did_you_mean

DEFAULT = "default"
_PARQUET = ".parquet"
_TRAIN = "train"
# Descriptions of data sets, which are no data.
_DESCRIPTIONS = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
_WORDS = {
    **dict.fromkeys(("train", "training"), _TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


class Part(NamedTuple):
    """A file, and the split that its rows belong to."""

    split: str
    file: str


def parts(repo: str, files: tuple[str, ...], card: Mapping[str, Any], subset: str | None) -> tuple[str, list[Part]]:
    """Return the name of a subset and its files, train first; none where the repository has nothing to be read.

    Raises
    ------
    InputError
        No such subset, or several and none asked for.
    """
    usable = readable(files)
    subsets = _declared(usable, card) or _by_folder(usable)
    if not subsets:
        return DEFAULT, []
    if subset is None and len(subsets) > 1:
        subset = next((name for name in (_marked(card), DEFAULT) if name in subsets), None)
        if subset is None:
            choices = ", ".join(sorted(subsets))
            raise InputError(f"{repo} has {len(subsets)} subsets: choose one of {choices} with --subset")
    name = subset or next(iter(subsets))
    if name not in subsets:
        raise InputError(f"{repo} has no subset '{name}'{did_you_mean(name, subsets)}")
    return name, sorted(subsets[name], key=lambda part: (part.split != _TRAIN, part))


def of_split(repo: str, found: list[Part], split: str | None) -> list[Part]:
    """Return the files of a split, or all of them.

    Raises
    ------
    InputError
        No such split.
    """
    known = {part.split for part in found}
    if split is not None and split not in known:
        raise InputError(f"{repo} has no split '{split}'{did_you_mean(split, known)}")
    return [part for part in found if split in (None, part.split)]


def readable(files: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files that a reader claims; only Parquet where there is any, since it is the same rows again."""
    suffixes = {s for reader in plugins.names("readers") for s in plugins.load("readers", reader).SUFFIXES}
    paths = [PurePosixPath(file) for file in files]
    data = [p for p in paths if p.suffix.lower() in suffixes and p.name not in _DESCRIPTIONS]
    shown = [p for p in data if not any(part.startswith(".") for part in p.parts)]
    return tuple(str(p) for p in ([p for p in shown if p.suffix.lower() == _PARQUET] or shown))


def _configs(card: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The subsets that a card declares; what is not shaped like one is passed over."""
    found = card.get("configs")
    return [config for config in found if isinstance(config, dict)] if isinstance(found, list) else []


def _marked(card: Mapping[str, Any]) -> str | None:
    names = [str(config.get("config_name", DEFAULT)) for config in _configs(card) if config.get("default") is True]
    return names[0] if names else None


def _declared(files: tuple[str, ...], card: Mapping[str, Any]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for config in _configs(card):
        for split, pattern in _patterns(config):
            # `**/` stands for any folders or none; a single `*` may then cross folders too, which no card minds.
            matching = fnmatch.filter(files, pattern.removeprefix("./").replace("**/", "*"))
            there = found.setdefault(str(config.get("config_name", DEFAULT)), [])
            there += [Part(split or _split(file), file) for file in matching]
    return {name: there for name, there in found.items() if there}


def _patterns(config: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    folder = config.get("data_dir")
    within = f"{folder}/" if isinstance(folder, str) else ""
    data = config.get("data_files", "**/*")
    if isinstance(data, dict):
        data = [{"split": split, "path": paths} for split, paths in data.items()]
    for entry in data if isinstance(data, list) else [data]:
        split, paths = (entry.get("split"), entry.get("path")) if isinstance(entry, dict) else (None, entry)
        for path in paths if isinstance(paths, list) else [paths]:
            if isinstance(path, str):
                yield (str(split) if split else None), within + path


def _by_folder(files: tuple[str, ...]) -> dict[str, list[Part]]:
    """Take a folder at the top for a subset, unless its name says that it is a split or nothing at all."""
    found: dict[str, list[Part]] = {}
    for file in files:
        top, slash, _ = file.partition("/")
        plain = not slash or top == "data" or _word(top) is not None
        found.setdefault(DEFAULT if plain else top, []).append(Part(_split(file), file))
    return found


def _split(file: str) -> str:
    """Return the split that a path tells: NAME-00000-of-00002, NAME/0000.parquet, or a word; else train."""
    if told := re.search(r"([^/]+?)-\d{5}-of-\d{5}|([^/]+)/\d{4}\.parquet$", file):
        return told[1] or told[2]
    return next((word for part in reversed(PurePosixPath(file).parts) if (word := _word(part))), _TRAIN)


def _word(name: str) -> str | None:
    return next((_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS), None)
