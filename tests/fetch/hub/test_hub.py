"""Data sets of a hub: what is fetched, what is refused, and the command."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.hub import BIG, REPO, Hub, card, parquet, refused, rows
from tithe import data, storage
from tithe.config import Data
from tithe.errors import InputError
from tithe.fetch import catalog, hub
from tithe.fetch.hub import files

CONVERTED = "refs/convert/parquet"
TEXTS = ["a goal", "суп и хлеб", "the moon", "a cup"]

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
    path = catalog.fetch(REPO)
    assert rows(path) == [*zip(TEXTS, ["neg", "pos", "pos", "neg"], strict=True), ("x", "pos")]
    assert path == storage.cache_dir() / "datasets/anna--films.parquet"
    origin = storage.read_json(path.with_suffix(".json"))
    assert origin["files"]["plain/train-00000-of-00001.parquet"] == hashlib.sha256(train).hexdigest()
    assert origin["left_out"] == {"plain/unsupervised-00000-of-00001.parquet": {"without a class": 4}}
    assert (origin["rows"], origin["sha256"]) == (5, storage.sha256_file(path))
    assert (origin["commit"], origin["licence"]) == (online.commit((REPO, "main")), "licence mit")
    for said in ("licence mit", hashlib.sha256(train).hexdigest(), origin["sha256"], "4 rows without a class left out"):
        assert said in caplog.text
    assert data.ingest(Data(path=str(path)))[1].names == ("neg", "pos")
    assert pq.read_table(path).column("split").to_pylist() == ["train"] * 4 + ["test"]
    assert "official splits are in the column 'split': set data.split_column=split" in caplog.text


def test_the_official_test_split_of_a_fetched_data_set_is_kept(online: Hub) -> None:
    half = [f"film {i}" for i in range(20)]
    train = parquet({"text": [*half, "both"], "label": [0, 1] * 10 + [1]}, ["neg", "pos"])
    test = parquet({"text": ["both", "last"], "label": [1, 0]}, ["neg", "pos"])
    online.put({"plain/test-00000-of-00001.parquet": test, "plain/train-00000-of-00001.parquet": train})
    found = data.load(Data(path=str(catalog.fetch(REPO)), split_column="split"), 0)
    assert found.rows.take(found.test).inputs() == ["both", "last"]
    assert found.report["dropped"] == {"in_test": 1} and len(found.train) + len(found.val) == 20


@pytest.mark.parametrize("name", ["data/train.jsonl.gz", "data/train.csv.zst"])
def test_compressed_files_of_a_hub_are_read(name: str, online: Hub) -> None:
    line = b'{"text": "a goal", "label": "sport"}\n' if ".jsonl" in name else b"text,label\na goal,sport\n"
    pack = gzip.compress if name.endswith(".gz") else lambda content: pa.Codec("zstd").compress(content, asbytes=True)
    online.put({name: pack(line), "data/README.txt": b"__label__x notes"})
    assert rows(catalog.fetch(REPO)) == [("a goal", "sport")]


def test_the_second_time_nobody_is_asked(online: Hub) -> None:
    online.put({"train.csv": b"text,label\na goal,sport\n"})
    first = catalog.fetch(REPO)
    before, online.repos = len(online.asked), {}
    assert catalog.fetch(REPO) == first and len(online.asked) == before


def test_a_split_or_other_columns_are_tables_of_their_own(online: Hub) -> None:
    table = {"text": ["a", "b"], "title": ["A", "B"], "label": [0, 1], "kind": ["x", "y"]}
    online.put({"data/train-0.parquet": parquet(table), "data/test-0.parquet": parquet({**table, "text": ["c", "d"]})})
    assert rows(catalog.fetch(REPO, hub.DatasetRequest(split="test"))) == [("c", "0"), ("d", "1")]
    other = catalog.fetch(REPO, hub.DatasetRequest(split="train", text_column="title", label_column="kind"))
    assert rows(other) == [("A", "x"), ("B", "y")]
    assert other.stem == "anna--films+split=train+text_column=title+label_column=kind"
    assert len(rows(catalog.fetch(REPO))) == 4
    asked = [method for method, path, _ in online.asked if "/resolve/" in path]
    assert asked == ["HEAD", "GET", "HEAD"] * 2, "a file that was there was asked for again"


def test_what_is_no_table_is_read_as_the_hub_has_converted_it(online: Hub) -> None:
    online.put({"README.md": card(license="cc0"), "films.py": b"", "train.xml.gz": b""})
    online.put({"default/train/0000.parquet": parquet({"text": ["a"], "label": [1]})}, revision=CONVERTED)
    path = catalog.fetch(REPO)
    assert rows(path) == [("a", "1")]
    assert storage.read_json(path.with_suffix(".json"))["licence"] == "licence cc0"


# ---- mistakes: what the hub holds, what is asked for, what is said


TABLE = {"train.csv": b"text,label\na,b\n"}
AMBIGUOUS = parquet({"title": ["a"], "body": ["b"], "label": [1]})
MISTAKES: list[tuple[dict[str, bytes], str, dict[str, str], str]] = [
    (TABLE, "anna/movies", {}, "no data set anna/movies on http.*: check the name, or set HF_TOKEN"),
    (TABLE, "anna/films/train", {}, "'anna/films/train' is not a data set name of a hub: write owner/name"),
    (TABLE, "./films", {}, "'./films' is not a data set name of a hub"),
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
    refused(lambda: catalog.fetch(repo, hub.DatasetRequest(**asked)), InputError, says)


def test_a_gated_data_set_names_the_page_and_opens_with_a_token(online: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    online.put(TABLE)
    online.gated, online.token = {REPO}, "hf_secret"
    monkeypatch.delenv("HF_TOKEN", raising=False)
    says = f"gated: accept its conditions at {online.address}/datasets/{REPO}, and set HF_TOKEN"
    refused(lambda: catalog.fetch(REPO), InputError, says)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert rows(catalog.fetch(REPO)) == [("a", "b")]


def test_a_hub_that_is_away_or_is_none_says_what_there_is(online: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    can = "nothing is cached yet; without a hub: clothing_fit, imdb, .*tithe train CONFIG"
    refused(lambda: catalog.fetch(REPO), files.Unreachable, f"cannot reach http://127.0.0.1:1 .*{can}")


def test_options_of_the_hub_are_refused_for_known_sets() -> None:
    refused(
        lambda: catalog.fetch("reviews", hub.DatasetRequest(text_column="x")),
        InputError,
        "--text-column is for data sets",
    )


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
