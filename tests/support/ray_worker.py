"""What Ray starts for a worker in tests: it has `ray_forks` fork one that has imported the libraries, and ends with it.

It is in a folder of `ray_forks`. Where that has a file `plain`, it becomes the process that the file names instead.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent

if __name__ == "__main__":
    if (HERE / "plain").exists():
        (HERE / f"plain-{os.getpid()}").touch()
        os.execv(sys.executable, [sys.executable, (HERE / "plain").read_text(), *sys.argv[1:]])
    from fork_client import ask  # beside it

    with ask(sys.argv[1:]) as server:
        server.recv(1)  # until the worker ends, which has the last copy of this connection
