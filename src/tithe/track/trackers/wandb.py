"""Weights & Biases: an offline record of the run, written by a child process; nothing is sent.

Each process of a run writes one folder, `<home>/wandb/offline-run-TIME-ID`; `wandb sync FOLDER` uploads it. The
processes of a resumed run have the same id: `wandb sync --append` adds the later ones to the run.

| W&B | what |
|---|---|
| project, name, tags | `project`; `run_name`, or the run's name; `tags` |
| config | the configuration |
| history | every series, with its steps |
| media, artifacts | figures; files |
| summary `status`, and the exit code | the run's final status; 0 if it finished |

Source: https://docs.wandb.ai/models/track/environment-variables
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tithe import plugins, storage
from tithe.storage.run_files import WANDB
from tithe.track.courier import Courier, Point

if TYPE_CHECKING:
    import wandb

RECORD = "run.json"


def check(settings: Mapping[str, Any]) -> None:
    """Check that the client is installed, before anything is written.

    Raises
    ------
    InputError
        It is not.
    """
    if not plugins.installed("wandb"):
        plugins.require("wandb", extra="wandb")


def open(home: Path, settings: Mapping[str, Any], name: str) -> Courier:
    """Start one process's part of a run's record.

    Parameters
    ----------
    home
        The run's directory.
    settings
        `project`, `resume_step`: the first step this process writes; above 1 it has the id recorded in `home`;
        optional `run_name`, `tags` (a list).
    name
        The run's name, used where `run_name` is missing.

    Raises
    ------
    InputError
        The client is not installed.
    """
    check(settings)
    return Courier("wandb", home, settings, name, {"WANDB_MODE": "offline"})


def connect(home: Path, settings: Mapping[str, Any], name: str) -> Wandb:
    """Start a record, with the id of the one in `home` if the run is resumed."""
    folder, client = home / WANDB, home / WANDB / "client"
    client.mkdir(parents=True, exist_ok=True)
    # Read when it is imported; `wandb sync` finds the files of artifacts there.
    places = ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR", "TMPDIR")
    os.environ.update(dict.fromkeys(places, str(client)))
    import wandb

    record = folder / RECORD
    resumed = settings["resume_step"] > 1 and record.exists()
    run_id = storage.read_json(record)["id"] if resumed else secrets.token_hex(8)
    storage.write_json(record, {"id": run_id})
    run = wandb.init(
        project=settings["project"],
        name=settings.get("run_name") or name,
        id=run_id,
        tags=list(settings.get("tags", ())),
        dir=home,
        mode="offline",
        # Neither the folder's code nor the machine's load are the run's.
        settings=wandb.Settings(
            silent=True,
            console="off",
            symlink=False,
            save_code=False,
            disable_code=True,
            disable_git=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
        ),
    )
    return Wandb(run)


class Wandb:
    """A `courier.Remote` that writes one offline record."""

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._step = 0

    def params(self, values: Mapping[str, object]) -> None:
        """Write the configuration."""
        self._run.config.update(dict(values), allow_val_change=True)

    def scalars(self, points: Sequence[Point]) -> None:
        """Append the values to their series."""
        for point in points:
            self._step = point.step
            self._run.log(point.values, step=point.step)

    def figure(self, name: str, path: Path) -> None:
        """Add a PNG, at the step of the latest scalars."""
        import wandb

        self._run.log({name: wandb.Image(str(path))}, step=self._step)

    def artifact(self, name: str, path: Path) -> None:
        """Add a file; a name of an artifact has no folders."""
        import wandb

        artifact = wandb.Artifact(name.replace("/", "."), type="file")
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def close(self, status: str) -> None:
        """Write the final status, and close the record."""
        self._run.summary["status"] = status
        self._run.finish(exit_code=0 if status == "finished" else 1)
