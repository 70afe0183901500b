"""Data sets of a hub: a small one on loopback, with the addresses, the headers and the bad lines of the real one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tithe import data, fetch, hub, records
from tithe.config import Data
from tithe.errors import InputError, TitheError
from tithe.hub import files

Tithe = Callable[..., tuple[Any, str, list[str]]]

REPO = "anna/films"
CONVERTED = "refs/convert/parquet"
TEXTS = ["a goal", "суп и хлеб", "the moon", "a cup"]


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


@pytest.fixture
def server() -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield hub
    hub.shutdown()
    hub.server_close()
    thread.join()


@pytest.fixture
def online(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """This process asks that hub; the library has read its settings before, so they are put where it keeps them."""
    from huggingface_hub import constants

    template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    settings = {"ENDPOINT": server.address, "HUGGINGFACE_CO_URL_TEMPLATE": template, "HF_HUB_OFFLINE": False}
    for name, value in {**settings, "HF_HUB_CACHE": str(tmp_path / "hf/hub")}.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(files, "PAUSE", 0.0)
    return server


def rows(path: Path) -> list[tuple[str, str]]:
    table = pq.read_table(path)
    assert table.schema.names == ["text", "label"] and {str(kind) for kind in table.schema.types} == {"string"}
    return list(zip(*table.to_pydict().values(), strict=True))


def refused(call: Callable[[], object], kind: type[TitheError], says: str) -> None:
    with pytest.raises(kind, match=says) as error:
        call()
    assert len(str(error.value).splitlines()) == 1
    left = [p.name for p in (records.cache_dir() / "datasets").glob("*")]
    assert left == [], "something half-done was left behind"


# ---- what is fetched


def test_all_splits_with_classes_become_one_table(online: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="tithe")
    names, unknown = ["neg", "pos"], [-1, -1, -1, -1]
    train, test = parquet({"text": TEXTS, "label": [0, 1, 1, 0]}, names), parquet({"text": ["x"], "label": [1]}, names)
    hidden = parquet({"text": TEXTS, "label": unknown}, names)
    online.put(
        {
            "README.md": card(license="mit"),
            "plain/test-00000-of-00001.parquet": test,
            "plain/train-00000-of-00001.parquet": train,
            "plain/unsupervised-00000-of-00001.parquet": hidden,
            "films.py": b"raise SystemExit('a program of the repository was run')",
        }
    )
    path = fetch.fetch(REPO)
    assert rows(path) == [*zip(TEXTS, ["neg", "pos", "pos", "neg"], strict=True), ("x", "pos")]
    assert path == records.cache_dir() / "datasets/anna--films.parquet"
    origin = records.read_json(path.with_suffix(".json"))
    assert origin["files"]["plain/train-00000-of-00001.parquet"] == hashlib.sha256(train).hexdigest()
    assert origin["left_out"] == {"plain/unsupervised-00000-of-00001.parquet": {"without a class": 4}}
    assert (origin["rows"], origin["sha256"]) == (5, records.sha256_file(path))
    assert (origin["commit"], origin["licence"]) == (online.commit((REPO, "main")), "licence mit")
    for said in ("licence mit", hashlib.sha256(train).hexdigest(), origin["sha256"], "4 rows without a class left out"):
        assert said in caplog.text
    assert data.ingest(Data(path=str(path)))[1].names == ("neg", "pos")


def test_the_second_time_nobody_is_asked(online: Hub) -> None:
    online.put({"train.csv": b"text,label\na goal,sport\n"})
    first = fetch.fetch(REPO)
    before, online.repos = len(online.asked), {}
    assert fetch.fetch(REPO) == first and len(online.asked) == before


def test_a_split_or_other_columns_are_tables_of_their_own(online: Hub) -> None:
    table = {"text": ["a", "b"], "title": ["A", "B"], "label": [0, 1], "kind": ["x", "y"]}
    online.put({"data/train-0.parquet": parquet(table), "data/test-0.parquet": parquet({**table, "text": ["c", "d"]})})
    assert rows(fetch.fetch(REPO, hub.Wanted(split="test"))) == [("c", "0"), ("d", "1")]
    other = fetch.fetch(REPO, hub.Wanted(split="train", text_column="title", label_column="kind"))
    assert rows(other) == [("A", "x"), ("B", "y")]
    assert other.stem == "anna--films+split=train+text_column=title+label_column=kind"
    assert len(rows(fetch.fetch(REPO))) == 4
    asked = [method for method, path, _ in online.asked if "/resolve/" in path]
    assert asked == ["HEAD", "GET", "HEAD"] * 2, "a file that was there was asked for again"


FORMATS = {
    "train.csv": 'text,label\n"one, two",1\nthree,2\n',
    "train.tsv": "label\ttext\n1\tone, two\n2\tthree\n",
    "data/part.jsonl": '{"text": "one, two", "label": 1}\nnot json\n{"text": "three", "label": 2}\n',
    "all.json": '[{"text": "one, two", "label": 1}, {"text": "three", "label": 2}, {"text": "no class"}]',
}


@pytest.mark.parametrize("name", FORMATS)
def test_other_formats_are_read_too(name: str, online: Hub) -> None:
    online.put({name: FORMATS[name].encode(), "dataset_infos.json": b"{}", ".train.csv": b"text,label\nx,y\n"})
    path = fetch.fetch(REPO)
    assert rows(path) == [("one, two", "1"), ("three", "2")]
    lost = {"data/part.jsonl": {"unreadable": 1}, "all.json": {"without a class": 1}}.get(name)
    assert records.read_json(path.with_suffix(".json"))["left_out"] == ({name: lost} if lost else {})


@pytest.mark.parametrize("shape", [{"0": "neg", "1": "pos"}, ["neg", "pos"]])
def test_class_names_may_stand_in_the_card(shape: object, online: Hub) -> None:
    feature = {"name": "stars", "dtype": {"class_label": {"names": shape}}}
    info = [{"config_name": "other", "features": [{**feature, "name": "text"}]}, {"features": [feature]}]
    online.put({"README.md": card(dataset_info=info), "train.csv": b"sentence,stars\na,1\nb,0\nc,7\n"})
    assert rows(fetch.fetch(REPO)) == [("a", "pos"), ("b", "neg")]


def test_what_is_no_table_is_read_as_the_hub_has_converted_it(online: Hub) -> None:
    online.put({"README.md": card(license="cc0"), "films.py": b"", "train.csv.gz": b""})
    online.put({"default/train/0000.parquet": parquet({"text": ["a"], "label": [1]})}, revision=CONVERTED)
    path = fetch.fetch(REPO)
    assert rows(path) == [("a", "1")]
    assert records.read_json(path.with_suffix(".json"))["licence"] == "licence cc0"


# ---- which files belong together: files, card, subset asked for, what comes of it

CONFIGS = [
    {"config_name": "en", "data_files": [{"split": "train", "path": ["en/a.csv", "en/b.csv"]}], "default": True},
    {"config_name": "ru", "data_files": [{"split": "dev", "path": "ru/**/*.csv"}]},
    {"config_name": "raw", "data_dir": "raw"},
    {"config_name": "map", "data_files": {"test": "map.csv"}},
    {"config_name": "one", "data_files": "./one*.csv"},
    {"config_name": "none", "data_files": "nowhere.csv"},
]
TREE = ["en/a.csv", "en/b.csv", "ru/x/c.csv", "ru/d.csv", "raw/test.csv", "map.csv", "one.csv", "other.csv"]
LAYOUTS: list[tuple[list[str], dict[str, Any], str | None, list[str]]] = [
    (["train.csv", "test.csv"], {}, None, ["train train.csv", "test test.csv"]),
    (["data/dev.csv", "data/x_training1.csv"], {}, None, ["train data/x_training1.csv", "validation data/dev.csv"]),
    (["train/a.csv", "valid/a.csv"], {}, None, ["train train/a.csv", "validation valid/a.csv"]),
    (["rows.csv"], {}, None, ["train rows.csv"]),
    (["data/extra-00000-of-00002.csv"], {}, None, ["extra data/extra-00000-of-00002.csv"]),
    (["c/odd/0000.parquet", "c/odd/0001.parquet"], {}, None, ["odd c/odd/0000.parquet", "odd c/odd/0001.parquet"]),
    (["a/train.csv", "b/train.csv"], {}, "b", ["train b/train.csv"]),
    (["a/train.csv", "default/train.csv"], {}, None, ["train default/train.csv"]),
    (["a.parquet", "a.csv", "a.jsonl"], {}, None, ["train a.parquet"]),
    (TREE, {"configs": CONFIGS}, None, ["train en/a.csv", "train en/b.csv"]),
    (TREE, {"configs": CONFIGS}, "ru", ["dev ru/d.csv", "dev ru/x/c.csv"]),
    (TREE, {"configs": CONFIGS}, "raw", ["test raw/test.csv"]),
    (TREE, {"configs": CONFIGS}, "map", ["test map.csv"]),
    (TREE, {"configs": CONFIGS}, "one", ["train one.csv"]),
    (["train.csv"], {"configs": "nonsense"}, None, ["train train.csv"]),
    (["train.csv"], {"configs": [{"data_files": 7}, 8]}, None, ["train train.csv"]),
    (["README.md", "photo.png"], {}, None, []),
]


@pytest.mark.parametrize(("names", "head", "subset", "expected"), LAYOUTS)
def test_files_belong_to_subsets_and_splits(
    names: list[str], head: dict[str, Any], subset: str | None, expected: list[str]
) -> None:
    found = hub.layout.parts(REPO, tuple(names), head, subset)[1]
    assert [f"{part.split} {part.file}" for part in found] == expected


# ---- bad lines


BIG = parquet({"text": [f"{i} {hashlib.sha256(bytes([i])).hexdigest()}" for i in range(250)], "label": [0, 1] * 125})


def test_a_download_that_breaks_off_goes_on_where_it_was(online: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="tithe")
    online.put({"train.parquet": BIG})
    online.broken["train.parquet"] = [5000, 3000]
    path = fetch.fetch(REPO)
    asked = [span for method, name, span in online.asked if method == "GET" and name.endswith("train.parquet")]
    assert asked == ["bytes=0-", "bytes=5000-", "bytes=8000-"]
    assert records.read_json(path.with_suffix(".json"))["files"] == {"train.parquet": hashlib.sha256(BIG).hexdigest()}
    assert f"train.parquet broke off at 5000 of {len(BIG)} bytes" in caplog.text and len(rows(path)) == 250


def test_a_line_that_stays_down_is_told_and_the_next_call_goes_on(online: Hub) -> None:
    online.put({"train.parquet": BIG})
    online.broken["train.parquet"] = [4000] + [0] * files.TRIES
    refused(lambda: fetch.fetch(REPO), hub.Unreachable, f"broke off at 4000 of {len(BIG)} bytes.*goes on from there")
    online.asked.clear()
    assert len(rows(fetch.fetch(REPO))) == 250
    assert [span for method, _, span in online.asked if method == "GET" and span] == ["bytes=4000-"]


def test_a_server_that_knows_no_ranges_is_heard_from_the_start(online: Hub) -> None:
    online.put({"train.parquet": BIG})
    online.ranges, online.broken["train.parquet"] = False, [5000]
    assert len(rows(fetch.fetch(REPO))) == 250


def test_large_files_may_lie_elsewhere_where_no_token_goes(online: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    online.put({"train.parquet": BIG})
    online.elsewhere, online.broken["train.parquet"] = True, [5000]
    assert len(rows(fetch.fetch(REPO))) == 250
    spans = [span for _, name, span in online.asked if name.startswith("/elsewhere")]
    assert spans == ["bytes=0-", "bytes=5000-"] and online.tokens_elsewhere == [None, None]


@pytest.mark.parametrize(("name", "etag"), [("train.parquet", "0" * 64), ("train.csv", "0" * 40)])
def test_other_bytes_than_announced_are_deleted(name: str, etag: str, online: Hub, tmp_path: Path) -> None:
    online.put({name: BIG if name.endswith("parquet") else b"text,label\na,b\n"})
    online.false_etags[name] = etag
    refused(lambda: fetch.fetch(REPO), TitheError, f"{name} came with the hash [0-9a-f]+ instead of {etag}")
    assert not [p for p in (tmp_path / "hf").rglob("*") if p.name.startswith(etag) and p.suffix != ".lock"]
    online.false_etags.clear()
    assert rows(fetch.fetch(REPO))


# ---- mistakes: what the hub holds, what is asked for, what is said

TABLE = {"train.csv": b"text,label\na,b\n"}
AMBIGUOUS = parquet({"title": ["a"], "body": ["b"], "label": [1]})
MISTAKES: list[tuple[dict[str, bytes], str, dict[str, str], str]] = [
    (TABLE, "anna/movies", {}, "no data set anna/movies on http.*: check the name, or set HF_TOKEN"),
    (TABLE, "anna/films/train", {}, "'anna/films/train' is no data set of a hub: write owner/name"),
    (TABLE, "./films", {}, "'./films' is no data set of a hub"),
    (TABLE, REPO, {"split": "trian"}, "anna/films has no split 'trian': did you mean 'train'"),
    (TABLE, REPO, {"subset": "en"}, "anna/films has no subset 'en': choose one of default"),
    (TABLE, REPO, {"text_column": "body"}, "has no column 'body': choose one of text, label with --text-column"),
    ({"a/x.csv": b"", "b/x.csv": b""}, REPO, {}, "has 2 subsets: choose one of a, b with --subset"),
    ({"README.md": b"", "x.png": b""}, REPO, {}, "has no Parquet, CSV, JSONL or JSON files.*download it by hand"),
    ({"t.parquet": AMBIGUOUS}, REPO, {}, "which column is the text: choose one of title, body, label with --text-c"),
    ({"t.csv": b"text,stars\na,1\n"}, REPO, {}, "which column is the label: choose one of text, stars with --label-c"),
    ({"t.csv": b"text,label\na,\n"}, REPO, {}, "anna/films: no row has a class in train"),
    ({"t.parquet": b"PAR1, not"}, REPO, {}, "is not a Parquet file"),
]


@pytest.mark.parametrize(("contents", "repo", "asked", "says"), MISTAKES, ids=[says[:30] for *_, says in MISTAKES])
def test_mistakes_are_one_line_and_leave_nothing(
    contents: dict[str, bytes], repo: str, asked: dict[str, str], says: str, online: Hub
) -> None:
    online.put(contents)
    refused(lambda: fetch.fetch(repo, hub.Wanted(**asked)), InputError, says)


def test_a_gated_data_set_names_the_page_and_opens_with_a_token(online: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    online.put(TABLE)
    online.gated, online.token = {REPO}, "hf_secret"
    monkeypatch.delenv("HF_TOKEN", raising=False)
    says = f"gated: accept its conditions at {online.address}/datasets/{REPO}, and set HF_TOKEN"
    refused(lambda: fetch.fetch(REPO), InputError, says)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert rows(fetch.fetch(REPO)) == [("a", "b")]


def test_a_hub_that_is_away_or_is_none_says_what_there_is(online: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    can = "nothing is cached yet; without a hub: clothing_fit, imdb, .*tithe train CONFIG"
    refused(lambda: fetch.fetch(REPO), hub.Unreachable, f"http://127.0.0.1:1 can't be reached .*{can}")


def test_options_of_the_hub_are_refused_for_known_sets() -> None:
    refused(lambda: fetch.fetch("reviews", hub.Wanted(text_column="x")), InputError, "--text-column is for data sets")


# ---- the command, in a process of its own with the environment of a user


def run(server: Hub, tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0", "PYTHONWARNINGS": ""}
    return subprocess.run(
        [sys.executable, "-m", "tithe", "fetch", *arguments],
        env={**os.environ, **own, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_respects_the_variables_of_the_hub(server: Hub, tmp_path: Path) -> None:
    server.put({"README.md": card(license="mit"), "train.parquet": BIG})
    server.broken["train.parquet"] = [5000]
    online = run(server, tmp_path, REPO, "--out", str(tmp_path / "data"))
    assert (online.returncode, online.stdout) == (0, f"{tmp_path}/data/anna--films.parquet\n"), online.stderr
    assert "licence mit" in online.stderr and hashlib.sha256(BIG).hexdigest() in online.stderr
    assert len(rows(tmp_path / "data/anna--films.parquet")) == 250
    assert list((tmp_path / "hf/hub/datasets--anna--films").rglob("train.parquet"))
    offline = run(server, tmp_path, REPO, HF_HUB_OFFLINE="1")
    assert (offline.returncode, offline.stderr) == (0, "") and offline.stdout.endswith("anna--films.parquet\n")
    before = len(server.asked)
    other = run(server, tmp_path, "anna/other", HF_HUB_OFFLINE="1")
    assert (other.returncode, other.stdout, len(server.asked)) == (1, "", before)
    said = "error: HF_HUB_OFFLINE is set and anna/other is not cached: unset it where there is a network; cached and"
    assert other.stderr.startswith(said) and "usable offline: anna/films; without a hub: clothing_fit" in other.stderr
    assert len(other.stderr.splitlines()) == 1
