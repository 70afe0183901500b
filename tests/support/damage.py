"""Damage to every file that a command leaves, and what the next command makes of it.

A command may refuse damaged files, or give what it would have given without the damage. Anything else is a fault:
another result, or an error that is not one line.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tithe import storage
from tithe.errors import InputError, TitheError

REFUSED, SAME, DIFFERENT, CRASHED = "refused", "same result", "another result", "no clean error"
OUTCOMES = (REFUSED, SAME, DIFFERENT, CRASHED)
FAULTS = {DIFFERENT, CRASHED}
LINES = 1  # of an error


@dataclass(frozen=True)
class Scenario:
    """What a command leaves, and the commands that use it.

    Attributes
    ----------
    make
        Leave everything under a folder.
    damaged
        Patterns of the files to damage, from that folder.
    uses
        Commands by name; each returns what it gives, without times.
    refusing
        Those that must refuse every damaged file, and every file added to a checkpoint.
    """

    make: Callable[[Path], None]
    damaged: tuple[str, ...]
    uses: Mapping[str, Callable[[Path], object]]
    refusing: tuple[str, ...] = ()


class Case(NamedTuple):
    """One damage to one file; of an added file, the folder that it is put into."""

    damage: str
    name: str


@dataclass
class Found:
    """The outcome of each use of each case, and what was said."""

    outcomes: dict[tuple[str, Case], str] = field(default_factory=dict)
    said: dict[tuple[str, Case], str] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """Name each case whose outcome is a fault."""
        faults = [key for key, outcome in self.outcomes.items() if outcome in FAULTS]
        return [f"{use} after {case.damage} {case.name}: {self.said[use, case]}" for use, case in faults]

    def count(self, use: str, damage: str) -> dict[str, int]:
        """Count the outcomes of a use after a damage."""
        those = [outcome for (name, case), outcome in self.outcomes.items() if (name, case.damage) == (use, damage)]
        return {outcome: those.count(outcome) for outcome in OUTCOMES}


def _flip(path: Path, folder: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def _cut(path: Path, folder: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path, folder: Path) -> None:
    path.write_bytes(b"")


def _exchange(path: Path, folder: Path) -> None:
    """Put another file of the same kind in its place: of the same name if there is one, else of the same suffix."""
    content = path.read_bytes()
    others = [p for p in files(folder) if p.suffix == path.suffix and p.read_bytes() != content]
    if others:
        path.write_bytes(min(others, key=lambda other: (other.name != path.name, other)).read_bytes())


def _add(path: Path, folder: Path) -> None:
    """Add files that a command would read, were they its own."""
    weights = [p for p in files(folder) if p.suffix == ".pt"]
    for name in ("ema.pt", "encoder.pt", "best_model.pt"):
        if weights and not (path / name).exists():
            shutil.copyfile(weights[-1], path / name)
    for name in ("calibration.json", "extra.json", "9.json"):
        if not (path / name).exists():
            (path / name).write_text("{}")


DAMAGES: dict[str, Callable[[Path, Path], None]] = {
    **{"one bit": _flip, "truncated": _cut, "emptied": _empty, "exchanged": _exchange, "added to": _add},
}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def cases(scenario: Scenario, folder: Path) -> Iterator[Case]:
    """Yield every damage to every file, and to every folder that has files."""
    there = sorted({path for pattern in scenario.damaged for path in folder.glob(pattern) if path.is_file()})
    for path in there:
        if path.stat().st_size:
            yield from (Case(damage, path.relative_to(folder).as_posix()) for damage in DAMAGES if damage != "added to")
    for home in sorted({path.parent for path in there}):
        yield Case("added to", home.relative_to(folder).as_posix())


def campaign(scenario: Scenario, folder: Path, share: float = 1.0, seed: int = 0) -> Found:
    """Damage every file in turn, or a random share of the cases, and use what is left; see `Found`."""
    with storage.environment_variable("TITHE_CACHE", str(folder / "work/cache")):
        return _campaign(scenario, folder, share, seed)


def _campaign(scenario: Scenario, folder: Path, share: float, seed: int) -> Found:
    work, whole, found = folder / "work", folder / "whole", Found()
    scenario.make(work)
    shutil.copytree(work, whole)
    expected = {name: _restored(whole, work) and use(work) for name, use in scenario.uses.items()}
    chosen, rng = list(cases(scenario, whole)), random.Random(seed)
    for case in chosen if share >= 1 else rng.sample(chosen, max(1, round(share * len(chosen)))):
        for name, use in scenario.uses.items():
            _restored(whole, work)
            target = work / case.name
            before = target.read_bytes() if target.is_file() else None
            DAMAGES[case.damage](target, work)
            if target.is_dir() or target.read_bytes() != before:
                must = name in scenario.refusing and (target.is_file() or (target / "state.json").exists())
                outcome = _outcome(use, work, expected[name])
                found.outcomes[name, case], found.said[name, case] = (
                    (DIFFERENT, "accepted") if must and outcome[0] == SAME else outcome
                )
    return found


def _restored(whole: Path, work: Path) -> bool:
    """Put everything back at its place: some of what is kept depends on where it is."""
    shutil.rmtree(work)
    shutil.copytree(whole, work)
    return True


def _outcome(use: Callable[[Path], object], work: Path, expected: object) -> tuple[str, str]:
    try:
        result = use(work)
    except (InputError, TitheError) as error:
        return (REFUSED if len(str(error).splitlines()) == LINES else CRASHED), str(error)
    except Exception as error:
        return CRASHED, f"{type(error).__name__}: {error}"
    return (SAME, "") if result == expected else (DIFFERENT, f"{result} instead of {expected}"[:300])
