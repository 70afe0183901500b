"""Which files of a hub repository form a data set: by its card, else by file and folder names.

The rules follow the hub's documentation ("Structure your repository", "Manual configuration"), for the formats that
tithe reads.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from tithe import plugins
from tithe.data import compressed
from tithe.errors import InputError, did_you_mean

DEFAULT = "default"
_PARQUET = ".parquet"
_TRAIN = "train"
# Metadata files, which are not data.
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
    """Return the name of a subset and its files, train first; no files if the repository has no readable ones.

    Raises
    ------
    InputError
        The subset does not exist, or there are several and none was requested.
    """
    usable = readable(files)
    subsets = _declared(usable, card) or _by_folder(usable)
    if not subsets:
        return DEFAULT, []
    if subset is None and len(subsets) > 1:
        subset = next((name for name in (_default_subset(card), DEFAULT) if name in subsets), None)
        if subset is None:
            choices = ", ".join(sorted(subsets))
            raise InputError(f"{repo} has {len(subsets)} subsets: choose one of {choices} with --subset")
    name = subset or next(iter(subsets))
    if name not in subsets:
        raise InputError(f"{repo} has no subset '{name}'{did_you_mean(name, subsets)}")
    return name, sorted(subsets[name], key=lambda part: (part.split != _TRAIN, part))


def filter_split(repo: str, files: list[Part], split: str | None) -> list[Part]:
    """Return the files of a split, or all of them.

    Raises
    ------
    InputError
        The split does not exist.
    """
    splits = {part.split for part in files}
    if split is not None and split not in splits:
        raise InputError(f"{repo} has no split '{split}'{did_you_mean(split, splits)}")
    return [part for part in files if split in (None, part.split)]


def readable(files: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files that a reader claims; only Parquet files if there are any: the others repeat their rows."""
    # Text files are licences and notes more often than fastText.
    suffixes = {s for name, reader in plugins.each("readers") if name != "fasttext" for s in reader.SUFFIXES}
    paths = [PurePosixPath(file) for file in files]
    data = [p for p in paths if compressed.suffix_of(p) in suffixes and p.name not in _DESCRIPTIONS]
    visible = [p for p in data if not any(part.startswith(".") for part in p.parts)]
    return tuple(str(p) for p in ([p for p in visible if p.suffix.lower() == _PARQUET] or visible))


def _configs(card: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the subsets that a card declares; malformed entries are ignored."""
    configs = card.get("configs")
    return [config for config in configs if isinstance(config, dict)] if isinstance(configs, list) else []


def _default_subset(card: Mapping[str, Any]) -> str | None:
    names = [str(config.get("config_name", DEFAULT)) for config in _configs(card) if config.get("default") is True]
    return names[0] if names else None


def _declared(files: tuple[str, ...], card: Mapping[str, Any]) -> dict[str, list[Part]]:
    subsets: dict[str, list[Part]] = {}
    for config in _configs(card):
        for split, pattern in _patterns(config):
            # `**/` matches any number of folders; a single `*` then crosses folders too, which is harmless.
            matching = fnmatch.filter(files, pattern.removeprefix("./").replace("**/", "*"))
            parts = subsets.setdefault(str(config.get("config_name", DEFAULT)), [])
            parts += [Part(split or _split(file), file) for file in matching]
    return {name: parts for name, parts in subsets.items() if parts}


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
    """Treat a top-level folder as a subset, unless it is named after a split or `data`."""
    subsets: dict[str, list[Part]] = {}
    for file in files:
        top, slash, _ = file.partition("/")
        plain = not slash or top == "data" or _word(top) is not None
        subsets.setdefault(DEFAULT if plain else top, []).append(Part(_split(file), file))
    return subsets


def _split(file: str) -> str:
    """Return the split that a path names: NAME-00000-of-00002, NAME/0000.parquet, or a word; else train."""
    if match := re.search(r"([^/]+?)-\d{5}-of-\d{5}|([^/]+)/\d{4}\.parquet$", file):
        return match[1] or match[2]
    return next((word for part in reversed(PurePosixPath(file).parts) if (word := _word(part))), _TRAIN)


def _word(name: str) -> str | None:
    return next((_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS), None)
