"""The interface over HTTP: what it answers, what it refuses, and what its pages may do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from support.boards import add, copied, step
from support.pages import HOSTILE
from support.serving import Client, Reply
from tithe.board import app
from tithe.board.shelf import Shelf
from tithe.compare import compare_runs
from tithe.report.words import say
from tithe.web.address import Address


@pytest.fixture(scope="module")
def folder(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, the second of which has a page of a stranger."""
    folder = tmp_path_factory.mktemp("board")
    copied(trained, folder / "a")
    other = copied(trained, folder / "b", train__learning_rate=0.5)
    (other / "report.html").write_text(f"<title>{HOSTILE}</title>")
    return folder


@pytest.fixture(scope="module")
def shelf(folder: Path) -> Shelf:
    board = Shelf(folder)
    board.scan()
    return board


@pytest.fixture(scope="module")
def ask(shelf: Shelf) -> Callable[..., Reply]:
    made = app.create(shelf, Address())

    def send(path: str, method: str = "GET", **headers: str) -> Reply:
        return asyncio.run(
            Client(made).send(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        )

    return send


@pytest.fixture
def keys(shelf: Shelf) -> list[str]:
    return [row["id"] for row in shelf.rows]


FOREIGN = {
    "another name": ({"host": "evil.example"}, 400),
    "another page": ({"origin": "http://evil.example"}, 403),
    "another port": ({"origin": "http://localhost:9"}, 403),
    "a page of nowhere": ({"origin": "null"}, 403),
    "a picture of another page": ({"sec-fetch-site": "cross-site"}, 403),
    "a server beside it": ({"sec-fetch-site": "same-site"}, 403),
    "its own page": ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, 200),
    "a person": ({"sec-fetch-site": "none"}, 200),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_who_may_ask(name: str, ask: Callable[..., Reply]) -> None:
    headers, status = FOREIGN[name]
    reply = ask("/students", **headers)
    assert reply.status == status and (status == 200) == isinstance(reply.json, list)
    assert ask("/", sec_fetch_site="cross-site").status == 200  # a link to the board


REFUSED = {
    "/run/0123456789abcdef/points": 404,
    "/run/..%2f..%2fetc/report": 404,
    "/run/{}/points?start=-1": 422,
    "/run/{}/points?start=x": 422,
    "/run/{}/map": 404,
    "/run/{}/pictures/0": 404,
    "/run/{}/pictures/-1": 404,
    "/run/{}/pictures/x": 422,
    "/students?by=what": 422,
    "/compare": 422,
    "/compare?run=nothing": 404,
    "/compare?" + "&".join(["run={}"] * 13): 422,
    "/openapi.json": 404,
    "/docs": 404,
}


@pytest.mark.parametrize("path", REFUSED)
def test_refusals_are_one_line(path: str, ask: Callable[..., Reply], keys: list[str]) -> None:
    reply = ask(path.replace("{}", keys[0]))
    said = {"error"} if reply.status == 422 else {"error", "says"}
    assert reply.status == REFUSED[path] and reply.json.keys() == said and "\n" not in reply.json["error"]
    assert ask("/students", "POST").status == 405


@pytest.mark.parametrize(
    "path", ["/run/0123456789abcdef/report", "/compare?run=nothing", "/nowhere", "/students?by=what"]
)
def test_a_browser_gets_refusals_as_a_page(path: str, ask: Callable[..., Reply]) -> None:
    program, person = ask(path), ask(path, accept="text/html,*/*")
    page = person.body.decode()
    assert person.status == program.status and "script-src 'nonce-" in person.headers["content-security-policy"]
    for sentence in program.json.get("says", {"en": program.json["error"]}).values():
        assert str(escape(sentence)) in page
    foreign = ask("/students", accept="text/html", host="evil.example")
    assert foreign.status == 400 and "evil.example" in foreign.body.decode()


def test_nothing_but_the_page_runs_and_nothing_leaves(ask: Callable[..., Reply]) -> None:
    reply = ask("/")
    policy, page = reply.headers["content-security-policy"], reply.body.decode()
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert policy.startswith("default-src 'none';") and "frame-ancestors 'none'" in policy and "http" not in policy
    assert page.count(f'<script nonce="{nonce}">') == 2 and page.count("<script") == 3  # and data
    assert "innerHTML" not in page and "insertAdjacent" not in page and "document.write" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_report_has_no_rights(ask: Callable[..., Reply], keys: list[str], folder: Path, tmp_path: Path) -> None:
    reply = ask(f"/run/{keys[1]}/report")
    assert reply.body == (folder / "b/report.html").read_bytes()
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts") and "allow-same-origin" not in policy and "connect" not in policy
    secret = tmp_path / "secret.html"
    secret.write_text("secret")
    page = folder / "a/report.html"
    page.unlink()
    page.symlink_to(secret)
    assert ask(f"/run/{keys[0]}/report").status == 404


def test_a_comparison_is_that_of_the_command(ask: Callable[..., Reply], keys: list[str], folder: Path) -> None:
    reply = ask(f"/compare?run={keys[1]}&run={keys[0]}")
    notes = compare_runs([folder / "b", folder / "a"]).notes
    assert notes and "frame-ancestors 'self'" in reply.headers["content-security-policy"]
    for note in notes:
        assert note.text.replace("'", "&#39;") in reply.body.decode()
    alone = ask(f"/compare?run={keys[0]}").body.decode()
    assert str(say("No comparison")) in alone and "only one run" in alone


def test_points_and_students(ask: Callable[..., Reply], keys: list[str], folder: Path) -> None:
    first = ask(f"/run/{keys[0]}/points").json
    add(folder / "a", step(999))
    more = ask(f"/run/{keys[0]}/points?file={first['file']}&start={first['next']}").json
    assert more["train"]["step"] == [999] and ask("/students").json[0]["runs"] == 2
    sheet = ask("/students.csv?by=folder")
    assert sheet.body.startswith(b"\xef\xbb\xbfstudent,") and "attachment" in sheet.headers["content-disposition"]


# ---- the stream


def events(body: bytes) -> Iterator[dict[str, Any]]:
    for block in body.decode().split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines())
        if "data" in fields:
            yield {"id": fields["id"], **json.loads(fields["data"])}


def streamed(shelf: Shelf, path: str, act: Callable[[], Awaitable[object]], **headers: str) -> list[dict[str, Any]]:
    """Return the events until the shelf is stopped, which it is after an act."""

    async def both() -> Reply:
        asking = asyncio.create_task(Client(app.create(shelf, Address())).send("GET", path, headers=headers))
        await act()
        shelf.stop()
        return await asking

    return list(events(asyncio.run(both()).body))


def test_a_client_gets_what_is_new_to_it(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_TICK", 0.001)
    home = copied(trained, tmp_path / "a")
    copied(trained, tmp_path / "b")

    def opened() -> Shelf:
        board = Shelf(tmp_path)
        board.scan()
        return board

    async def change() -> None:
        await asyncio.sleep(0.1)
        add(home, step(999))
        board.scan()
        await asyncio.sleep(0.1)

    board = opened()
    first, second = streamed(board, "/events", change)
    assert [row["folder"] for row in first["rows"]] == ["a", "b"] and first["is_all"]
    assert [row["facts"]["steps"] for row in second["rows"]] == [999] and second["id"] == board.version
    for path, headers in ((f"/events?after={first['id']}", {}), ("/events", {"last-event-id": first["id"]})):
        board._stopped.clear()
        [after] = streamed(board, path, lambda: asyncio.sleep(0.05), **headers)
        assert [row["folder"] for row in after["rows"]] == ["a"] and not after["is_all"]


def test_streams_are_bounded(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_STREAMS", 0)
    reply = asyncio.run(Client(app.create(shelf, Address())).send("GET", "/events"))
    assert reply.status == 503 and "close one" in reply.json["error"]
