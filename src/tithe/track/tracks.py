"""Metric logging: the local JSON-lines history is authoritative; trackers mirror it and may fail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from tithe import config, plugins, storage
from tithe.errors import InputError, Interrupted, TitheError
from tithe.storage.run_files import HISTORY

logger = logging.getLogger("tithe")


class Tracker(Protocol):
    """What `open` of a module in `trackers/` returns."""

    def params(self, values: Mapping[str, object]) -> None:
        """Receive the resolved config once, at the start, secrets masked."""

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Receive values of an optimizer step."""

    def figure(self, name: str, path: Path) -> None:
        """Receive a PNG file."""

    def artifact(self, name: str, path: Path) -> None:
        """Receive any other file."""

    def close(self, status: str) -> None:
        """Receive the run's final status: finished, failed or stopped."""


def mirror_settings(track: config.Track) -> dict[str, dict[str, Any]]:
    """Return the settings of each tracker in a config, secrets unmasked."""
    mirrors: dict[str, dict[str, Any]] = {}
    if track.tensorboard:
        mirrors["tensorboard"] = {"folder": track.tensorboard_dir}
    if track.neptune:
        token = track.neptune.api_token
        secret = {"api_token": token.get_secret_value()} if token else {}
        mirrors["neptune"] = {**track.neptune.model_dump(exclude={"api_token"}), **secret}
    sections = {"mlflow": track.mlflow, "clearml": track.clearml, "trackio": track.trackio, "wandb": track.wandb}
    mirrors |= {name: settings.model_dump() for name, settings in sections.items() if settings}
    return {**mirrors, **track.plugins}


class RunTracker:
    """The history of one run and its mirrors, as a context manager.

    History records contain no times, so that the history of a resumed run equals that of an uninterrupted one byte
    for byte. A mirror that raises is reported once and dropped; the run continues.

    Parameters
    ----------
    mirrors
        Settings of each tracker, by name.
    home
        Run directory; None in a process that must not write records.
    name
        Name of the run.
    resume_step
        Optimizer step that the run continues from; later records of the stopped run are dropped.
    """

    def __init__(
        self, mirrors: Mapping[str, Mapping[str, Any]], home: Path | None, name: str, resume_step: int = 0
    ) -> None:
        self._mirrors: dict[str, Tracker] = {}
        self._history: storage.JsonLines | None = None
        self._last_step = resume_step
        if home is None:
            return
        path = home / HISTORY
        storage.write_lines(path, [r for r in storage.read_lines(path) if int(r["step"]) <= resume_step])
        self._history = storage.JsonLines(path)
        for tracker, settings in mirrors.items():
            # Steps after resume_step are repeated, even if a mirror has already received them.
            first = {"resume_step": resume_step + 1}
            try:
                self._mirrors[tracker] = plugins.load("trackers", tracker).open(home, {**settings, **first}, name)
            except InputError:
                self.close("failed")
                raise
            except Exception as error:
                _report(tracker, error)

    def extent(self) -> storage.Extent | None:
        """Return the length and the hash of the history so far; None in a process that writes none."""
        return self._history.extent() if self._history else None

    def records(self) -> list[dict[str, Any]]:
        """Return the records of the history so far; none in a process that writes none.

        Raises
        ------
        TitheError
            The file is not what was written.
        """
        if not self._history:
            return []
        extent, path = self._history.extent(), self._history.path
        if not storage.begins_with(path, extent) or path.stat().st_size > extent.bytes:
            raise TitheError(f"{path} was changed while the run wrote it: resume the run")
        return storage.read_lines(path)

    def params(self, values: Mapping[str, object]) -> None:
        """Send the resolved config to the mirrors; the run directory has its own copy."""
        self._each(lambda mirror: mirror.params(values))

    def log(self, kind: str, step: int, **values: Any) -> None:
        """Append one record to the history and send its numeric values to the mirrors as `kind/name`."""
        if self._history:
            self._history.append({"kind": kind, "step": step, **values})
        self._last_step = step
        self.mirror(kind, step, **values)

    def mirror(self, kind: str, step: int, **values: Any) -> None:
        """Send numeric values to the mirrors as `kind/name`, what the history already has in other words."""
        numbers = {f"{kind}/{k}": float(v) for k, v in values.items() if type(v) in (int, float)}
        self._each(lambda mirror: mirror.scalars(numbers, step))

    def final(self, values: Mapping[str, Any]) -> None:
        """Send the metrics of the final evaluation to the mirrors; `metrics.json` contains them as well."""
        self.mirror("final", self._last_step, **values)

    def figure(self, name: str, path: Path) -> None:
        """Send a PNG file to the mirrors."""
        self._each(lambda mirror: mirror.figure(name, path))

    def artifact(self, name: str, path: Path) -> None:
        """Send a file to the mirrors."""
        self._each(lambda mirror: mirror.artifact(name, path))

    def close(self, status: str) -> None:
        """Fsync the history and close the mirrors."""
        if self._history:
            self._history.close()
        self._each(lambda mirror: mirror.close(status))
        self._mirrors.clear()

    def _each(self, send: Callable[[Tracker], None]) -> None:
        for name, mirror in list(self._mirrors.items()):
            try:
                send(mirror)
            except Exception as error:  # no failure of a mirror may stop the run
                _report(name, error)
                del self._mirrors[name]

    def __enter__(self) -> RunTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close("finished")
        else:
            self.close("stopped" if issubclass(kind, Interrupted | KeyboardInterrupt) else "failed")


def _report(name: str, error: Exception) -> None:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    logger.warning("tracker %s failed and is disabled (the local history continues): %s", name, reason)
