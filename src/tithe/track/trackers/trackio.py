"""Trackio: a database that its own dashboard shows, written by a child process.

The database is `<home>/trackio`, or that of several runs (`folder`); `TRACKIO_DIR=FOLDER trackio show` opens it.

| Trackio | what |
|---|---|
| project, run name | `project`; `run_name`, or the run's name |
| config | the configuration |
| metrics | every series, with its steps |
| note `status`, at the last step | the run's final status |
| media, artifacts | figures; files |

A resumed run continues the latest one of its name, so runs that share a database need names of their own. If there
are two values at one step (after a crash), both are kept.

Source: https://huggingface.co/docs/trackio
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tithe import plugins
from tithe.storage.run_files import TRACKIO
from tithe.track.courier import Courier, Point

if TYPE_CHECKING:
    from trackio.run import Run


def check(settings: Mapping[str, Any]) -> None:
    """Check that the client is installed, before anything is written.

    Raises
    ------
    InputError
        It is not.
    """
    if not plugins.installed("trackio"):
        plugins.require("trackio", extra="trackio")


def open(home: Path, settings: Mapping[str, Any], name: str) -> Courier:
    """Start one process's part of a run.

    Parameters
    ----------
    home
        The run's directory.
    settings
        `project`, `resume_step`: the first step this process writes; above 1 the run of that name is continued;
        optional `folder`: of the database, relative to `home`; optional `run_name`.
    name
        The run's name, used where `run_name` is missing.

    Raises
    ------
    InputError
        The client is not installed.
    """
    check(settings)
    return Courier("trackio", home, settings, name, {})


def connect(home: Path, settings: Mapping[str, Any], name: str) -> Trackio:
    """Start a run in the database, or continue it there."""
    folder = home / settings.get("folder", TRACKIO)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(TRACKIO_DIR=str(folder), TMPDIR=str(folder))  # read when it is imported
    import trackio

    run = trackio.init(
        project=settings["project"],
        name=settings.get("run_name") or name,
        resume="allow" if settings["resume_step"] > 1 else "never",
        embed=False,
        auto_log_gpu=False,
        auto_log_cpu=False,
    )
    return Trackio(run)


class Trackio:
    """A `courier.Remote` that writes to one run of a database."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._step = 0

    def params(self, values: Mapping[str, object]) -> None:
        """Keep the configuration, which the client writes with the first values."""
        self._run.config.update(values)

    def scalars(self, points: Sequence[Point]) -> None:
        """Append the values to their series."""
        for point in points:
            self._step = point.step
            self._run.log(dict(point.values), step=point.step)

    def figure(self, name: str, path: Path) -> None:
        """Add a PNG, at the step of the latest scalars."""
        import trackio

        self._run.log({name: trackio.Image(str(path))}, step=self._step)

    def artifact(self, name: str, path: Path) -> None:
        """Add a file; a name of an artifact has no folders."""
        self._run.log_artifact(path, name=name.replace("/", "."), type="file")

    def close(self, status: str) -> None:
        """Write the final status, and everything that is pending."""
        import trackio

        self._run.log({"status": trackio.Markdown(status)}, step=self._step)
        self._run.finish()
