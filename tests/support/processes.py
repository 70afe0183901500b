"""Real processes that begin as `python ...` does, but with the libraries imported: forked from one that imported them.

The command line, the folder, the environment, signals, exit codes and output are as if the interpreter had been
started; only the seconds of importing torch and transformers are saved, and those of drawing: pictures are blank, as in
the tests themselves. What depends on the start of an interpreter, as what `--help` imports or variables that a library
reads when it is imported, needs a real one.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from support import figures

# What a run of the command imports, most of it late.
IMPORTED = [
    *("tithe.cli.main", "tithe.cli.train", "tithe.pipeline", "tithe.tasks.text", "tithe.select.choose"),
    *("transformers.models.bert.modeling_bert", "transformers.models.modernbert.modeling_modernbert"),
    *("transformers.models.auto.tokenization_auto", "sklearn.metrics", "matplotlib.backends.backend_agg"),
]


class Forked:
    """A process under way, with what tests use of a `subprocess.Popen`."""

    def __init__(self, arguments: list[str], cwd: Path, env: Mapping[str, str], out: Path, err: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        self._process = context.Process(target=_start, args=(arguments, str(cwd), dict(env), str(out), str(err)))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        return code

    def send_signal(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def kill(self) -> None:
        if self.poll() is None:
            self.send_signal(signal.SIGKILL)


def start(*arguments: object, log: Path, cwd: Path | None = None) -> Forked:
    """Start `python ARGUMENTS`, a script, `-m MODULE` or `-c CODE`; all that it says goes to one file."""
    return Forked(list(map(str, arguments)), cwd or Path.cwd(), os.environ, log, log)


def run(
    *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` to its end, as `subprocess.run` with `capture_output=True, text=True`."""
    words = list(map(str, arguments))
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        code = Forked(words, cwd or Path.cwd(), os.environ if env is None else env, out, err).wait(600)
        return subprocess.CompletedProcess(words, code, *(file.read_text(encoding="utf-8") for file in (out, err)))


def _start(arguments: list[str], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        file = os.open(Path(cwd, path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(file, stream.fileno())
    become(arguments, cwd, env)


def become(arguments: list[str], cwd: str, env: dict[str, str]) -> None:
    """Be the process of this command line; in the child, with its streams."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    python_path = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    kind, *rest = arguments
    if kind in ("-m", "-c"):
        sys.argv = [kind if kind == "-c" else rest[0], *rest[1:]]
    else:
        sys.argv = arguments
    sys.path[:0] = [str(Path(kind).resolve().parent) if kind not in ("-m", "-c") else cwd, *python_path]
    with figures.blank():
        if kind == "-m":
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif kind == "-c":
            exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_path(kind, run_name="__main__")
