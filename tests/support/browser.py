"""A real browser without a window, driven over a pipe by the DevTools protocol: keys, scripts, pictures, downloads."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
_FLAGS = [
    *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-quic", "--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
]
# Keys that are not a letter or a digit: their code, and the text that they type.
_KEYS = {"/": ("Slash", "/"), "Enter": ("Enter", "\r"), " ": ("Space", " "), "Tab": ("Tab", "")}
_VIRTUAL = {"Tab": 9}  # keys that do what they do by these codes alone
_TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Tab:
    """One page of a browser."""

    def __init__(self, send: Callable[..., dict[str, Any]]) -> None:
        self._send = send

    def open(self, file: Path) -> None:
        self._send("Page.navigate", url=file.resolve().as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def visit(self, url: str) -> None:
        self._send("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    def first_run(self, script: str) -> None:
        """Run a script in every page from now on, before any of its own."""
        self._send("Page.enable")
        self._send("Page.addScriptToEvaluateOnNewDocument", source=script)

    def accessibility(self) -> list[dict[str, Any]]:
        """Return the nodes of the page as those see them who do not see: roles, names and levels."""
        nodes: list[dict[str, Any]] = self._send("Accessibility.getFullAXTree")["nodes"]
        return nodes

    def js(self, expression: str) -> Any:
        """Return the value of an expression on the page."""
        return self._evaluate(expression)

    def _evaluate(self, expression: str, **how: float) -> Any:
        result = self._send("Runtime.evaluate", expression=expression, returnByValue=True, **how)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str) -> None:
        deadline = time.monotonic() + 60
        while True:
            # What is asked while a page gives way to another one may never be answered: it is asked again.
            with contextlib.suppress(TimeoutError):
                if self._evaluate(expression, within=5.0):
                    return
            assert time.monotonic() < deadline, f"not within 60 s: {expression}"
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        """Press keys: a letter or a digit, or one by its name, such as ArrowLeft."""
        for key in keys:
            code, text = _KEYS.get(key, (key, ""))
            if len(key) == 1 and key.isalnum():
                code, text = f"Digit{key}" if key.isdigit() else f"Key{key.upper()}", key
            named = {"key": key, "code": code, **({"text": text} if text else {})}
            if key in _VIRTUAL:
                named["windowsVirtualKeyCode"] = _VIRTUAL[key]
            self._send("Input.dispatchKeyEvent", type="keyDown", **named)
            self._send("Input.dispatchKeyEvent", type="keyUp", key=key, code=code)

    def type(self, text: str) -> None:
        self._send("Input.insertText", text=text)

    def look(self, width: int, dark: bool, file: Path | None = None) -> None:
        """Show the page in a window of some width; save a picture of it if a file is given."""
        self._send(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", features=[scheme])
        # Pages redraw their charts in the frame after their own size has changed.
        self._send("Runtime.evaluate", expression=_TWO_FRAMES, awaitPromise=True)
        if file:
            picture = self._send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
            file.write_bytes(base64.b64decode(picture["data"]))


@contextlib.contextmanager
def browser(downloads: Path) -> Iterator[Tab]:
    """Start a browser with a profile of its own and yield a tab; it saves downloads in a folder."""
    assert CHROMIUM
    read_here, write_there = os.pipe()
    read_there, write_here = os.pipe()
    command = ["bash", "-c", f'exec "$@" 3<&{read_there} 4>&{write_there}', "-", CHROMIUM, *_FLAGS]
    command += [f"--user-data-dir={downloads / 'profile'}", "about:blank"]
    with (
        os.fdopen(read_here, "rb") as answers,
        os.fdopen(write_here, "wb", buffering=0) as orders,
        subprocess.Popen(command, pass_fds=(read_there, write_there), stderr=subprocess.DEVNULL) as process,
    ):
        os.close(read_there)
        os.close(write_there)
        buffer = bytearray()

        def receive(deadline: float) -> dict[str, Any]:
            while b"\0" not in buffer:
                if not select.select([answers], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise TimeoutError("the browser does not answer")
                more = answers.raw.read(1 << 16)  # type: ignore[attr-defined]
                assert more, "the browser has ended"
                buffer.extend(more)
            message, _, rest = bytes(buffer).partition(b"\0")
            buffer[:] = rest
            answer: dict[str, Any] = json.loads(message)
            return answer

        numbers = iter(range(1, 1 << 30))

        def call(method: str, session: str | None = None, within: float = 120.0, **params: Any) -> dict[str, Any]:
            number, deadline = next(numbers), time.monotonic() + within
            to = {"sessionId": session} if session else {}
            orders.write(json.dumps({"id": number, "method": method, "params": params, **to}).encode() + b"\0")
            while (answer := receive(deadline)).get("id") != number:
                pass  # events
            assert "error" not in answer, answer
            result: dict[str, Any] = answer["result"]
            return result

        try:
            call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
            target = call("Target.createTarget", url="about:blank")["targetId"]
            session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield Tab(lambda method, **params: call(method, session, **params))
        finally:
            process.kill()
