"""A small hub on loopback, with the addresses, the headers and the bad lines of the real one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tithe import storage
from tithe.errors import TitheError

REPO = "anna/films"


def parquet(columns: dict[str, list[Any]], names: list[str] | None = None, label: str = "label") -> bytes:
    """A Parquet file as the hub writes it: with class names it says in its metadata what the numbers mean."""
    table, out = pa.table(columns), io.BytesIO()
    if names:
        features = {label: {"names": names, "_type": "ClassLabel"}, "text": {"dtype": "string", "_type": "Value"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, out)
    return out.getvalue()


def card(**head: Any) -> bytes:
    return f"---\n{json.dumps(head)}\n---\n# A data set\n".encode()  # JSON is YAML


BIG = parquet({"text": [f"{i} {hashlib.sha256(bytes([i])).hexdigest()}" for i in range(250)], "label": [0, 1] * 125})


class Hub(ThreadingHTTPServer):
    """Repositories by name and revision, and what goes wrong with them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repos: dict[tuple[str, str], dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.broken: dict[str, list[int]] = {}  # file → after how many bytes its next answers break off
        self.false_etags: dict[str, str] = {}
        self.ranges = True
        self.elsewhere = False  # whether large files lie at another host, as they do on the real one
        self.token = ""
        self.tokens_elsewhere: list[str | None] = []
        self.asked: list[tuple[str, str, str]] = []  # method, path, range

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, contents: dict[str, bytes], repo: str = REPO, revision: str = "main") -> None:
        self.repos[repo, revision] = contents

    def commit(self, key: tuple[str, str]) -> str:
        return hashlib.sha1(repr((key, self.repos[key])).encode()).hexdigest()

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no failure of the test."""


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.server, self.path.partition("?")[0].replace("%2F", "/")
        hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self.listing(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.file(*found.groups())
        elif found := re.fullmatch(r"/elsewhere/(.+)", path):
            hub.tokens_elsewhere.append(self.headers.get("Authorization"))
            self.content({}, next(c[found[1]] for c in hub.repos.values()), found[1])
        else:
            self.send(404, {"X-Error-Code": "RepoNotFound"})

    def listing(self, repo: str, revision: str) -> None:
        key = (repo, revision)
        if key not in self.server.repos:
            known = any(name == repo for name, _ in self.server.repos)
            return self.send(404, {"X-Error-Code": "RevisionNotFound" if known else "RepoNotFound"})
        names = [{"rfilename": name} for name in self.server.repos[key]]
        self.send(200, {}, json.dumps({"id": repo, "sha": self.server.commit(key), "siblings": names}).encode())

    def file(self, repo: str, commit: str, name: str) -> None:
        hub = self.server
        body = next((c for key, c in hub.repos.items() if key[0] == repo and hub.commit(key) == commit), {}).get(name)
        if body is None:
            return self.send(404, {"X-Error-Code": "EntryNotFound"})
        if repo in hub.gated and self.headers.get("Authorization") != f"Bearer {hub.token}" and name != "README.md":
            return self.send(403, {"X-Error-Code": "GatedRepo"})
        git = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        etag = hashlib.sha256(body).hexdigest() if name.endswith(".parquet") else git
        etag = hub.false_etags.get(name, etag)
        if hub.elsewhere and name.endswith(".parquet"):
            there = f"http://localhost:{hub.server_port}/elsewhere/{name}"
            linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(body))}
            return self.send(302, {"Location": there, "X-Repo-Commit": commit, **linked})
        self.content({"ETag": f'"{etag}"', "X-Repo-Commit": commit}, body, name)

    def content(self, head: dict[str, str], body: bytes, name: str) -> None:
        begin = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if self.server.ranges else None
        if begin is None:
            return self.send(200, head, body, name)
        start = int(begin[1])
        self.send(206, {**head, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, body[start:], name)

    def send(self, status: int, head: dict[str, str], body: bytes = b"", name: str = "") -> None:
        self.send_response(status)
        for key, value in {**head, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if breaks := self.server.broken.get(name):
            self.wfile.write(body[: breaks.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(body)


def rows(path: Path) -> list[tuple[str, str]]:
    """Text and label of every row; several splits are a third column."""
    table = pq.read_table(path)
    assert table.schema.names in (["text", "label"], ["text", "label", "split"])
    assert {str(kind) for kind in table.schema.types} == {"string"}
    return list(zip(*table.select(["text", "label"]).to_pydict().values(), strict=True))


def refused(call: Callable[[], object], kind: type[TitheError], says: str) -> None:
    with pytest.raises(kind, match=says) as error:
        call()
    assert len(str(error.value).splitlines()) == 1
    left = [p.name for p in (storage.cache_dir() / "datasets").glob("*")]
    assert left == [], "something half-done was left behind"
