"""What Ray starts for a worker in tests: it has `ray_forks` fork one that has imported the libraries, and ends with it.

It lies in a folder of `ray_forks`. Where that has a file `plain`, it becomes the process that the file names instead.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

HERE = Path(__file__).parent


def ask() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(HERE / "socket"))
        socket.send_fds(server, [b" "], [sys.stdout.fileno(), sys.stderr.fileno()])
        server.sendall(json.dumps({"arguments": sys.argv[1:], "variables": dict(os.environ)}).encode())
        server.shutdown(socket.SHUT_WR)
        server.recv(1)  # until the worker ends, which has the last copy of the connection


if __name__ == "__main__":
    if (HERE / "plain").exists():
        (HERE / f"plain-{os.getpid()}").touch()
        os.execv(sys.executable, [sys.executable, (HERE / "plain").read_text(), *sys.argv[1:]])
    ask()
