"""MLflow: a run on an MLflow server, told by a process of its own.

| MLflow | what |
|---|---|
| experiment, run name, tags | `experiment`; `run_name`, or the run's name; `tags`, each with the value "true" |
| parameters | the configuration as `section.key`; what a continued run changed is a tag `changed/section.key` |
| metrics | every series, with its steps; the server keeps infinities as ±1.8e308 |
| artifacts | the files, figures under `figures/` |
| status | FINISHED, FAILED; KILLED for a run that was stopped or killed |

Which run it is stands in `<home>/mlflow.json`; a resumed run continues it there. Of two values at one step (after a
crash) the later one counts. Passwords and tokens come from the client's own variables, `MLFLOW_TRACKING_USERNAME`,
`MLFLOW_TRACKING_PASSWORD` or `MLFLOW_TRACKING_TOKEN`: there is no setting for them, so none can be stored.

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
from tithe.track.courier import Courier, Point

RECORD = "mlflow.json"
STATUS = {"finished": "FINISHED", "failed": "FAILED"}
# The client's own limits are 7 repeats of 2 minutes each. Here a server that is gone is given up after some seconds.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def check(settings: Mapping[str, Any]) -> None:
    """Find what would stop `open`, before anything is written.

    Raises
    ------
    InputError
        The client is not installed, or the address is none that a run could tell.
    """
    if not plugins.installed("mlflow"):
        plugins.require("mlflow", extra="mlflow")
    _address(settings)


def open(home: Path, settings: Mapping[str, Any], name: str) -> Courier:
    """Start telling a server about one process's part of a run.

    Parameters
    ----------
    home
        The run's directory.
    settings
        `experiment`, `resume_step`: the first step this process writes; above 1 the run that `home` knows is
        continued; optional `tracking_uri` (`MLFLOW_TRACKING_URI` where it is missing), `run_name`, `tags` (a list).
    name
        The run's name, used where `run_name` is missing.

    Raises
    ------
    InputError
        The client is not installed, or the address is none that a run could tell.
    """
    check(settings)
    given = {**settings, "tracking_uri": _address(settings)}
    return Courier("mlflow", home, given, name, ENVIRONMENT)


def connect(home: Path, settings: Mapping[str, Any], name: str) -> MLflow:
    """Begin a run on the server, or continue the one that `home` knows."""
    import mlflow

    address, known = settings["tracking_uri"], home / RECORD
    mlflow.set_tracking_uri(address)
    client = mlflow.MlflowClient()
    if settings["resume_step"] > 1 and known.exists():
        told = storage.read_json(known)
        if told["tracking_uri"] == address:
            client.update_run(told["run_id"], status="RUNNING")
            return MLflow(client, told["run_id"])
    experiment = mlflow.set_experiment(settings["experiment"])
    tags = dict.fromkeys(settings.get("tags", ()), "true")
    run = client.create_run(experiment.experiment_id, tags=tags, run_name=settings.get("run_name") or name)
    storage.write_json(known, {"tracking_uri": address, "run_id": run.info.run_id})
    return MLflow(client, run.info.run_id)


class MLflow:
    """A `courier.Remote` over one run on the server."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self._run_id = run_id

    def params(self, values: Mapping[str, object]) -> None:
        """Write the configuration; parameters can't be changed, so a continued run's changes become tags."""
        from mlflow.entities import Param, RunTag

        given = {key: str(value) for key, value in storage.flatten(values)}
        known = self._client.get_run(self._run_id).data.params
        params = [Param(key, value) for key, value in given.items() if key not in known]
        tags = [RunTag(f"changed/{key}", given[key]) for key in known.keys() & given.keys() if known[key] != given[key]]
        self._client.log_batch(self._run_id, params=params, tags=tags)

    def scalars(self, points: Sequence[Point]) -> None:
        """Write all values in one request, or in one for each thousand."""
        from mlflow.entities import Metric

        metrics = [Metric(key, value, p.at, p.step) for p in points for key, value in p.values.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def figure(self, name: str, path: Path) -> None:
        """Upload a PNG."""
        self.artifact(f"figures/{name}", path)

    def artifact(self, name: str, path: Path) -> None:
        """Upload a file; it keeps its own name, in the folder that `name` speaks of."""
        self._client.log_artifact(self._run_id, str(path), name.rpartition("/")[0] or None)

    def close(self, status: str) -> None:
        """Write how the run ended, and when."""
        self._client.set_terminated(self._run_id, STATUS.get(status, "KILLED"))


def _address(settings: Mapping[str, Any]) -> str:
    """Return the address of the server, from the settings or the environment."""
    given = settings.get("tracking_uri") or os.environ.get("MLFLOW_TRACKING_URI", "")
    if not given:
        raise InputError(
            "mlflow.tracking_uri: no server: write its address, or export MLFLOW_TRACKING_URI=http://HOST:5000"
        )
    parts = urlsplit(given)
    if parts.username or parts.password:
        raise InputError(
            "mlflow.tracking_uri holds a user or password, which a run would store: "
            "export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"mlflow.tracking_uri: '{given}' is no server: write http://HOST:PORT or https://HOST")
    return str(given)
