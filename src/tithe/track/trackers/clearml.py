"""ClearML: a task on a ClearML server, or an offline archive, written by a child process.

With keys the task is on the server. They come from `CLEARML_API_ACCESS_KEY` and `CLEARML_API_SECRET_KEY`, in the
environment or in `.env` in the current folder, which may also set `CLEARML_API_HOST`, or from the client's own
`clearml.conf`. Without keys each process of the run writes one archive, `<home>/clearml/offline/<id>.zip`; later
`Task.import_offline_session(archive)` uploads it to a server. Pass `previous_task_id=` to add the archive of a resumed
run to the same task.

| ClearML | what |
|---|---|
| project, name, tags | `project`; `task_name`, or the run's name; `tags` |
| hyperparameters `run/...` | the configuration |
| scalars | `train/batch_loss` is the series `batch_loss` of `train` |
| console log | NaN and infinities, which the client would report as 0 |
| debug samples, artifacts | figures; files |
| status, and hyperparameter `run/status` | the run's final status |

Source: https://clear.ml/docs/latest/docs/guides/set_offline
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tithe import plugins, storage
from tithe.errors import InputError
from tithe.storage.run_files import CLEARML
from tithe.track.courier import Courier, Point

if TYPE_CHECKING:
    import clearml

KEYS = ("CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY")
RECORD = "task.json"
SECTION = "run"
# Reporting from a forked process delays the end by up to 11 seconds of sleep. The default of 240 retries would take
# hours.
OVERRIDES = {
    "sdk": {"development": {"report_use_subprocess": False}},
    "api": {"http": {"retries": {"total": 3}, "wait_on_maintenance_forever": False}},
}


def check(settings: Mapping[str, Any]) -> None:
    """Check the settings before anything is written.

    Raises
    ------
    InputError
        The client is not installed, or only one of the two keys is set.
    """
    if not plugins.installed("clearml"):
        plugins.require("clearml", extra="clearml")
    _has_keys({**_dotenv(), **os.environ})


def open(home: Path, settings: Mapping[str, Any], name: str) -> Courier:
    """Start one process's part of a run's task.

    Parameters
    ----------
    home
        The run's directory.
    settings
        `project`, `resume_step`: the first step this process writes; above 1 the task recorded in `home` is
        continued, on a server; optional `task_name`, `tags` (a list).
    name
        The run's name, used where `task_name` is missing.

    Raises
    ------
    InputError
        The client is not installed, or only one of the two keys is set.
    """
    check(settings)
    variables = _dotenv()
    offline = not _has_keys({**variables, **os.environ}) and not _has_client_config()
    if offline:
        logging.getLogger("tithe").info("clearml: no keys, so an archive is written to %s", home / CLEARML / "offline")
    return Courier("clearml", home, {**settings, "offline": offline}, name, variables)


def connect(home: Path, settings: Mapping[str, Any], name: str) -> ClearML:
    """Start a task offline or on the server, or continue the server's task recorded in `home`."""
    folder = home / CLEARML
    folder.mkdir(exist_ok=True)
    os.environ.update(CLEARML_CACHE_DIR=str(folder), TMPDIR=str(folder))  # read when it is imported
    import clearml
    from clearml.config import config_obj
    from clearml.config.cache import SessionCache

    SessionCache.SESSION_CACHE_FOLDER = os.devnull  # not ~/.clearml: no folder can be created under a device
    config_obj.set_overrides(OVERRIDES)
    if settings["offline"]:
        clearml.Task.set_offline(True)
    record = folder / RECORD
    resumed = settings["resume_step"] > 1 and not settings["offline"] and record.exists()
    task: clearml.Task = clearml.Task.init(
        project_name=settings["project"],
        task_name=settings.get("task_name") or name,
        tags=list(settings.get("tags", ())),
        reuse_last_task_id=storage.read_json(record)["id"] if resumed else False,
        continue_last_task=0 if resumed else False,  # 0: the steps are the run's own and are not shifted
        auto_connect_arg_parser=False,
        auto_connect_frameworks={"detect_repository": False},  # don't send the folder's code
        auto_resource_monitoring=False,
        auto_connect_streams=False,
    )
    if not settings["offline"]:
        storage.write_json(record, {"id": task.id})
    return ClearML(task, settings["offline"])


class ClearML:
    """A `courier.Remote` that writes to one ClearML task."""

    def __init__(self, task: clearml.Task, offline: bool) -> None:
        self._task = task
        self._logger = task.get_logger()
        self._offline = offline
        self._step = 0

    def params(self, values: Mapping[str, object]) -> None:
        """Write the configuration."""
        self._task.connect(dict(values), name=SECTION)

    def scalars(self, points: Sequence[Point]) -> None:
        """Append the values to their series."""
        for point in points:
            self._step = point.step
            for key, value in point.values.items():
                title, _, series = key.partition("/")
                if isfinite(value):
                    self._logger.report_scalar(title, series, value, iteration=point.step)
                else:
                    self._logger.report_text(f"{key} is {value} at step {point.step}")

    def figure(self, name: str, path: Path) -> None:
        """Upload a PNG, at the step of the latest scalars."""
        title, _, series = name.partition("/")
        self._logger.report_image(title, series, iteration=self._step, local_path=str(path))

    def artifact(self, name: str, path: Path) -> None:
        """Upload a file."""
        self._task.upload_artifact(name, artifact_object=path, wait_on_upload=True)

    def close(self, status: str) -> None:
        """Write the final status, and close the task or its archive."""
        self._task.set_parameter(f"{SECTION}/status", status)
        if self._offline:
            self._pack()
        else:
            self._set_state(status)

    def _pack(self) -> None:
        """Let the client pack its folder, then keep only the archive."""
        folder = Path(str(self._task.get_offline_mode_folder()))
        self._task.close()
        if not folder.with_suffix(".zip").exists():
            raise OSError(f"the client wrote no archive of {folder}")
        shutil.rmtree(folder)

    def _set_state(self, status: str) -> None:
        """Close the task and set its state; unlike the client's other calls, this raises if the server is gone."""
        import clearml

        self._task.close()
        task: Any = clearml.Task.get_task(task_id=self._task.id)
        ends = {"finished": task.mark_completed, "failed": task.mark_failed}
        ends.get(status, task.stopped)(ignore_errors=False, force=True)


def _dotenv() -> dict[str, str]:
    """Return the client's own variables in the current folder's `.env`."""
    return {key: value for key, value in storage.dotenv(Path(".env")).items() if key.startswith("CLEARML_")}


def _has_client_config() -> bool:
    file = os.environ.get("CLEARML_CONFIG_FILE", "~/clearml.conf")
    try:
        return Path(storage.expand_home(file)).exists()
    except InputError:  # no home folder
        return False


def _has_keys(variables: Mapping[str, str]) -> bool:
    """Return whether both keys are set.

    Raises
    ------
    InputError
        Only one is set.
    """
    missing = [key for key in KEYS if not variables.get(key)]
    if len(missing) == 1:
        raise InputError(f"clearml: {missing[0]} is not set: export both keys, or none to write an archive")
    return not missing
