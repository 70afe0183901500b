"""What is started where `fork_server` forks: in place of `python`, and of a worker of Ray (`ray_worker`).

It is in the folder where the server has its socket, and imports nothing of ours, which would take its time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path


def ask(arguments: list[str]) -> socket.socket:
    """Ask for a process of these arguments, with the folder, the variables and the streams of this one."""
    server = socket.socket(socket.AF_UNIX)
    server.connect(str(Path(__file__).with_name("socket")))
    request = {"arguments": arguments, "variables": dict(os.environ), "cwd": str(Path.cwd())}
    message = json.dumps(request).encode() + b"\n"
    socket.send_fds(server, [message[:1]], [0, 1, 2])
    server.sendall(message[1:])
    return server


def main() -> int:
    """Be the process that was forked, as others see it: return its exit code, or die as it did."""
    arguments = sys.argv[1:]
    if arguments[0] == "-u":  # of `torchrun`
        del arguments[0]
    server = ask(arguments)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(signum, lambda number, frame: server.sendall(bytes([number])))
    with server.makefile() as answer:
        code = int(answer.readline())
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
