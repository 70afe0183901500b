"""Rotation of a run's checkpoints: the last periodic ones, and the best."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tithe import storage
from tithe.checkpoints.locate import BEST, PERIODIC, all_in, is_checkpoint, remnants, step_of
from tithe.checkpoints.state import TrainState
from tithe.checkpoints.store import damaged_files, save

logger = logging.getLogger("tithe")


@dataclass
class Keeper:
    """Saves this run's checkpoints in one folder and rotates them.

    Attributes
    ----------
    folder
        Folder of the checkpoints.
    keep
        Number of periodic ones to keep. Only those that this run wrote or resumed from are deleted, and only after
        the newer one is verified.
    assets
        See `save`.
    """

    folder: Path
    keep: int
    assets: Callable[[Path], None]
    own: list[Path] = field(default_factory=list)

    def periodic(self, state: TrainState) -> Path:
        """Save a checkpoint named after the state's step, then delete the oldest of this run's own."""
        path = self.folder / f"{PERIODIC}{state.progress['step']:08d}"
        if path not in self.own or damaged_files(path):
            save(path, state, self.assets)
            self.own = [p for p in self.own if p != path] + [path]
        if len(self.own) > self.keep and not damaged_files(path):
            for old in self.own[: -self.keep]:
                storage.remove(old)
            self.own = self.own[-self.keep :]
        return path

    def best(self, state: TrainState) -> Path:
        """Save the best state so far."""
        path = self.folder / BEST
        save(path, state, self.assets)
        return path

    def adopt(self, path: Path) -> None:
        """Count the checkpoints up to the one this run resumes from as its own."""
        if path.parent.resolve() == self.folder.resolve():
            position = step_of(path)
            self.own = [p for p in all_in(self.folder) if p.name != BEST and step_of(p) <= position]

    def clear_remnants(self, path: Path) -> None:
        """Remove what interrupted deletions have left of checkpoints before the one that this run resumes from."""
        if path.parent.resolve() == self.folder.resolve():
            for left in remnants(self.folder):
                if left != path and step_of(left) < step_of(path):
                    logger.info("removing %s, which was partly deleted", left)
                    storage.remove(left)
            self.adopt(path)

    def leave_branch(self, path: Path) -> bool:
        """Delete the intact periodic checkpoints after the one that this run resumes from; return whether any was."""
        if path.parent.resolve() != self.folder.resolve():
            return False
        periodic = [one for one in all_in(self.folder) if one.name not in (BEST, path.name)]
        later = [one for one in periodic if step_of(one) > step_of(path) and not damaged_files(one)]
        for one in later:
            storage.remove(one)
        return bool(later)

    def newest(self) -> Path | None:
        """Return the last checkpoint that this run can resume from."""
        if self.own:
            return self.own[-1]
        return self.folder / BEST if is_checkpoint(self.folder / BEST) else None
