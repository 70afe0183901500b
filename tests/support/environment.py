"""The environment of the tests: what a machine needs to run them, and nothing of the developer's own."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

# What finds programs, libraries and temporary files, and limits threads; `TITHE_DATA` is for the slow tests alone.
KEPT = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV"),
    *("LD_LIBRARY_PATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TITHE_DATA"),
}
KEPT_PREFIXES = ("LC_", "PYTHON", "PYTEST_", "COVERAGE_", "COV_", "CUDA_", "NVIDIA_")
SET = {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "TOKENIZERS_PARALLELISM": "false"}

# In front of the libraries: what some of them would load as well, in seconds and for nothing.
ABSENT = str(Path(__file__).with_name("absent"))


def isolate(environment: MutableMapping[str, str]) -> None:
    """Drop tokens, addresses and settings of the developer, which tests and the processes they start would inherit."""
    for name in list(environment):
        if name not in KEPT and not name.startswith(KEPT_PREFIXES):
            del environment[name]
    places = environment.get("PYTHONPATH", "").split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join([ABSENT, *(place for place in places if place not in ("", ABSENT))])
    environment.update(SET)
