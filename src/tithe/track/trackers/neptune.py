"""Neptune: an offline record by the classic client, under `<home>/.neptune/offline`.

The hosted service closed on 5 March 2026 and its data are gone, so nothing is ever sent. Each process writes one
folder `run__<uuid>__<pid>__<random>`: the operations as JSON lines (`data-*.log`), copies of the files
(`upload_path/`) and `metadata.json`.

| field | what |
|---|---|
| `sys/name`, `sys/tags` | `experiment_name`, or the run's name; `tags` |
| `sys/custom_run_id`, `project` | `run_id`; `project` |
| `parameters/...` | the configuration |
| `train/...`, `val/...`, `test/...` | series, each value with its step |
| `nonfinite/...` | the same for NaN and infinities, which the client drops from a series; as text |
| `figures/...`, `artifacts/...` | files |
| `source_code/requirements` | `dependencies_path` |
| `source_code/env` | `env_path`, its secrets masked |
| `status` | the run's final status; missing in the folder of a process that was killed |
"""

from __future__ import annotations

import logging
import random
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from tithe import plugins, storage
from tithe.errors import InputError
from tithe.storage.run_files import NEPTUNE

MASK = "***"
CLOSED = (
    "neptune: the hosted service closed on 5 March 2026, so nothing is sent; this run is recorded offline "
    "under %s. Supported trackers: MLflow, ClearML, TensorBoard"
)
# `KEY=value`, `export KEY="two\nlines"`, `$env:KEY = value`, `# KEY=old` and YAML's `KEY: value`: masking too
# much is harmless, masking too little leaks a secret.
SECRET = re.compile(
    r"""^(?P<key>[^\n]*?(?:KEY|TOKEN|SECRET|PASS|CREDENTIAL)[^\n=:]*[=:][ \t]*)
        (?:"(?:\\[\s\S]|[^"\\])*"|'[^']*')?[^\n]*""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
# The user and password of `https://user:password@host`, common in an index URL of requirements.txt.
LOGIN = re.compile(r"(?<=://)[^/\s]+(?=@)")


def check(settings: Mapping[str, Any]) -> None:
    """Check the settings before anything is written.

    Raises
    ------
    InputError
        The client is not installed, or a file named in the settings can't be read.
    """
    if not plugins.installed("neptune"):
        plugins.require("neptune", extra="neptune")
    _source_files(settings, None)


def open(home: Path, settings: Mapping[str, Any], name: str) -> Neptune:
    """Start one process's part of a run's offline record.

    Parameters
    ----------
    home
        The run's directory.
    settings
        All optional: `project`, `api_token` (warns; never stored), `experiment_name`, `run_id`, `tags` (a
        list, or one string with commas), `dependencies_path`, `env_path`.
    name
        The run's name, used where `experiment_name` is missing.

    Notes
    -----
    Offline the client can't continue a run: `with_id` raises RunNotFound and `custom_run_id` is dropped. So
    `run_id` is written as `sys/custom_run_id`, and every process with the same id adds its own folder. The run is
    all folders with that id, read in the order of their operations' `at`: the steps are the caller's and continue
    where they stopped. If there are two values at one step (after a crash), the later one counts.
    Source: https://docs-legacy.neptune.ai/api/neptune#init_run

    Raises
    ------
    InputError
        The client is not installed, or a file named in the settings can't be read. Nothing was written.
    """
    token = settings.get("api_token")
    files = _source_files(settings, token)
    data = home.resolve() / NEPTUNE
    run = _start(data, settings.get("experiment_name") or name, _tags(settings.get("tags")))
    fields = {"sys/custom_run_id": settings.get("run_id"), "project": settings.get("project")}
    for field, value in fields.items():
        if value:
            run[field] = str(value)
    for field, text in files.items():
        run[field].upload(_types().File.from_content(text))
    if token:
        logging.getLogger("tithe").warning(CLOSED, data / "offline")
    return Neptune(run)


class Neptune:
    """A tracker that writes to one offline run of the client."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def params(self, values: Mapping[str, object]) -> None:
        """Write the configuration; values other than numbers, booleans and strings are written as text."""
        from neptune.utils import stringify_unsupported

        self._run["parameters"] = stringify_unsupported(dict(values))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Append the values to their series."""
        for key, value in values.items():
            if isfinite(value):
                self._run[key].append(value, step=step)
            else:
                self._run[f"nonfinite/{key}"].append(str(value), step=step)
        # The client's queue is a buffered file: without this a killed process loses its last steps.
        self._run.wait(disk_only=True)

    def figure(self, name: str, path: Path) -> None:
        """Copy a PNG into the record."""
        self._copy(f"figures/{name}", path)

    def artifact(self, name: str, path: Path) -> None:
        """Copy a file into the record."""
        self._copy(f"artifacts/{name}", path)

    def close(self, status: str) -> None:
        """Write the final status and stop the client."""
        self._run["status"] = status
        self._run["sys/failed"] = status == "failed"
        self._run.stop()

    def _copy(self, field: str, path: Path) -> None:
        # Given a path, the client would record only the path, and lose the file if it moves.
        with path.open("rb") as stream:
            self._run[field].upload(_types().File.from_stream(stream, extension=path.suffix[1:] or "bin"))


def _start(data: Path, name: str, tags: list[str]) -> Any:
    """Start the client offline and quiet, without capturing anything."""
    with warnings.catch_warnings():
        # Raised by the client's own dependencies, bravado-core and swagger-spec-validator.
        warnings.filterwarnings("ignore", "jsonschema.RefResolver is deprecated", DeprecationWarning)
        neptune = plugins.require("neptune", extra="neptune")
    logging.getLogger("neptune").setLevel(logging.ERROR)
    # The client reads this once, while it starts, else takes the working directory.
    with storage.environment_variable("NEPTUNE_DATA_DIRECTORY", str(data)), _own_random_numbers():
        return neptune.init_run(
            mode="offline",
            name=name,
            tags=tags,
            source_files=[],
            git_ref=False,
            fail_on_exception=False,
            capture_stdout=False,
            capture_stderr=False,
            capture_traceback=False,
            capture_hardware_metrics=False,
        )


@contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Leave the caller's random numbers alone: the client draws a part of its folder's name from them."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def _types() -> Any:
    from neptune import types

    return types


def _tags(value: str | list[str] | None) -> list[str]:
    tags = value.split(",") if isinstance(value, str) else value or []
    return [tag.strip() for tag in tags if tag.strip()]


def _source_files(settings: Mapping[str, Any], token: str | None) -> dict[str, str]:
    """Return the text of the files named in the settings, with secrets masked."""
    texts = {}
    if path := settings.get("dependencies_path"):
        texts["source_code/requirements"] = _text("dependencies_path", path)
    if path := settings.get("env_path"):
        texts["source_code/env"] = SECRET.sub(rf"\g<key>{MASK}", _text("env_path", path))
    return {field: text.replace(token, MASK) if token else text for field, text in texts.items()}


def _text(setting: str, file: str) -> str:
    """Read a text file, with user and password in its URLs masked."""
    path = Path(file)
    if not path.is_file():
        raise InputError(f"neptune.{setting}: no file '{file}': correct the path or remove the setting")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"neptune.{setting}: '{file}' is not UTF-8 text: save it as UTF-8") from error
    return LOGIN.sub(MASK, text)
