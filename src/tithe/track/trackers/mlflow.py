"""MLflow: a run on an MLflow server, written by a child process.

| MLflow | what |
|---|---|
| experiment, run name, tags | `experiment`; `run_name`, or the run's name; `tags`, each with the value "true" |
| parameters | the configuration as `section.key`; what a continued run changed is a tag `changed/section.key` |
| metrics | every series, with its steps; the server keeps infinities as ±1.8e308 |
| artifacts | the files, figures under `figures/` |
| status | FINISHED, FAILED; KILLED for a run that was stopped or killed |

The run's id is in `<home>/mlflow.json`; a resumed run continues it. If there are two values at one step (after a
crash), the later one counts. Passwords and tokens come from the client's own variables, `MLFLOW_TRACKING_USERNAME`,
`MLFLOW_TRACKING_PASSWORD` or `MLFLOW_TRACKING_TOKEN`: there is no setting for them, so they can't be stored.

Source: https://mlflow.org/docs/latest/rest-api.html
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tithe import plugins, storage
from tithe.errors import InputError
from tithe.storage import run_files
from tithe.track.courier import Courier, Point

STATUS = {"finished": "FINISHED", "failed": "FAILED"}
# The client's default is 7 retries of 2 minutes each. These settings give up on a missing server within seconds.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def check(settings: Mapping[str, Any]) -> None:
    """Check the settings before anything is written.

    Raises
    ------
    InputError
        The client is not installed, or the address is missing, invalid or contains a password.
    """
    if not plugins.installed("mlflow"):
        plugins.require("mlflow", extra="mlflow")
    _address(settings)


def open(home: Path, settings: Mapping[str, Any], name: str) -> Courier:
    """Start one process's part of a run on a server.

    Parameters
    ----------
    home
        The run's directory.
    settings
        `experiment`, `resume_step`: the first step this process writes; above 1 the run recorded in `home` is
        continued; optional `tracking_uri` (`MLFLOW_TRACKING_URI` where it is missing), `run_name`, `tags` (a list).
    name
        The run's name, used where `run_name` is missing.

    Raises
    ------
    InputError
        The client is not installed, or the address is missing, invalid or contains a password.
    """
    check(settings)
    resolved = {**settings, "tracking_uri": _address(settings)}
    return Courier("mlflow", home, resolved, name, ENVIRONMENT)


def connect(home: Path, settings: Mapping[str, Any], name: str) -> MLflow:
    """Start a run on the server, or continue the one recorded in `home`."""
    import mlflow

    address, record = settings["tracking_uri"], home / run_files.MLFLOW
    mlflow.set_tracking_uri(address)
    client = mlflow.MlflowClient()
    if settings["resume_step"] > 1 and record.exists():
        earlier = storage.read_json(record)
        if earlier["tracking_uri"] == address:
            client.update_run(earlier["run_id"], status="RUNNING")
            return MLflow(client, earlier["run_id"])
    experiment = mlflow.set_experiment(settings["experiment"])
    tags = dict.fromkeys(settings.get("tags", ()), "true")
    run = client.create_run(experiment.experiment_id, tags=tags, run_name=settings.get("run_name") or name)
    storage.write_json(record, {"tracking_uri": address, "run_id": run.info.run_id})
    return MLflow(client, run.info.run_id)


class MLflow:
    """A `courier.Remote` that writes to one run on the server."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self._run_id = run_id

    def params(self, values: Mapping[str, object]) -> None:
        """Write the configuration; parameters are immutable, so the changes of a continued run become tags."""
        from mlflow.entities import Param, RunTag

        new = {key: str(value) for key, value in storage.flatten(values)}
        old = self._client.get_run(self._run_id).data.params
        params = [Param(key, value) for key, value in new.items() if key not in old]
        tags = [RunTag(f"changed/{key}", new[key]) for key in old.keys() & new.keys() if old[key] != new[key]]
        self._client.log_batch(self._run_id, params=params, tags=tags)

    def scalars(self, points: Sequence[Point]) -> None:
        """Write all values; the client sends one request per thousand."""
        from mlflow.entities import Metric

        metrics = [Metric(key, value, p.at, p.step) for p in points for key, value in p.values.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def figure(self, name: str, path: Path) -> None:
        """Upload a PNG."""
        self.artifact(f"figures/{name}", path)

    def artifact(self, name: str, path: Path) -> None:
        """Upload a file under its own name, into the folder part of `name`."""
        self._client.log_artifact(self._run_id, str(path), name.rpartition("/")[0] or None)

    def close(self, status: str) -> None:
        """Write the final status and the end time."""
        self._client.set_terminated(self._run_id, STATUS.get(status, "KILLED"))


def _address(settings: Mapping[str, Any]) -> str:
    """Return the address of the server, from the settings or the environment."""
    address = settings.get("tracking_uri") or os.environ.get("MLFLOW_TRACKING_URI", "")
    if not address:
        raise InputError(
            "mlflow.tracking_uri is not set: write the server's address, or export MLFLOW_TRACKING_URI=http://HOST:5000"
        )
    try:
        parts = urlsplit(address)
        is_server = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a bracket without its other one, a port that is none
        raise _no_server(address) from None
    if parts.username or parts.password:
        raise InputError(
            "mlflow.tracking_uri contains a user or password, which the run would store: "
            "export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
        )
    if not is_server:
        raise _no_server(address)
    return str(address)


def _no_server(address: str) -> InputError:
    return InputError(
        f"mlflow.tracking_uri: '{address}' is not a server address: write http://HOST:PORT or https://HOST"
    )
