"""An export is uploaded to a hub in one commit, and stays where it is if the hub refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tithe.errors import InputError, TitheError
from tithe.export import push


class Hub(ThreadingHTTPServer):
    """The addresses that an upload uses: a repository, how each file travels, large files, the commit."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, str]] = []
        self.files: dict[str, bytes] = {}
        self.created: dict[str, Any] = {}
        self.refuses = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None: ...

    def do_PUT(self) -> None:
        self.server.files[self.path.removeprefix("/large/")] = self.body()
        self.send(200, {})

    def do_POST(self) -> None:
        hub, body = self.server, self.body()
        hub.asked.append((self.path.partition("?")[0], self.headers.get("Authorization", "")))
        if hub.refuses:
            self.send(hub.refuses, {"error": "no"})
        elif self.path == "/api/repos/create":
            hub.created = json.loads(body)
            self.send(200, {"url": f"{hub.address}/anna/reviews"})
        elif "/preupload/" in self.path:
            files = [file["path"] for file in json.loads(body)["files"]]
            how = {file: "lfs" if file.endswith(".safetensors") else "regular" for file in files}
            self.send(200, {"files": [{"path": p, "uploadMode": m, "shouldIgnore": False} for p, m in how.items()]})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{hub.address}/large/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            self.send(200, {"transfer": "basic", "objects": objects})
        elif "/commit/" in self.path:
            self.commit([json.loads(line) for line in body.splitlines()])
        else:
            self.send(200, {})  # the check of the card's metadata

    def commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.server.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[value["path"]] = self.server.files.pop(value["oid"])
        url = f"{self.server.address}/anna/reviews/commit/{'0' * 40}"
        self.send(200, {"commitUrl": url, "commitOid": "0" * 40, "pullRequestUrl": None})

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        # The library reads its variables once, when it is imported.
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", server.address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "README.md": b"---\nlicense: mit\n---\n",
        "model.safetensors": b"weights",
        "manifest.json": b'{"README.md": "", "model.safetensors": ""}',
        "notes of someone else.txt": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of the library's own upload
def test_what_the_manifest_names_is_uploaded_in_one_commit(hub: Hub, folder: Path) -> None:
    push.check_name("anna/reviews")
    url = push.push(folder, "anna/reviews")
    assert url == f"{hub.address}/anna/reviews/commit/{'0' * 40}"
    assert hub.created["visibility"] == "private" and hub.created["name"] == "reviews"
    assert {path for path, _ in hub.asked if "/commit/" in path} == {"/api/models/anna/reviews/commit/main"}
    assert hub.files == {path.name: path.read_bytes() for path in folder.iterdir() if " " not in path.name}
    assert {token for path, token in hub.asked if path.startswith("/api")} == {"Bearer hf_secret"}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_one_line_that_says_what_can_be_done(hub: Hub, folder: Path, status: int) -> None:
    hub.refuses = status
    with pytest.raises(TitheError, match="is written, but was not uploaded to anna/reviews") as error:
        push.push(folder, "anna/reviews")
    message = str(error.value)
    assert len(message.splitlines()) == 1 and "hf upload anna/reviews" in message and "hf_secret" not in message


@pytest.mark.parametrize("name", ["a/b/c", "", "two words", "-x"])
def test_a_name_that_no_repository_has_is_refused_first(name: str, hub: Hub) -> None:
    with pytest.raises(InputError, match="--push"):
        push.check_name(name)
    assert hub.asked == []


def test_offline_nothing_is_tried() -> None:
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        push.check_name("anna/reviews")
