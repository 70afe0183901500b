"""Downloads over bad lines: broken off, taken up again, checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from support.hub import BIG, REPO, Hub, refused, rows
from tithe import storage
from tithe.errors import TitheError
from tithe.fetch import catalog
from tithe.fetch.hub import files


def test_a_download_that_breaks_off_goes_on_where_it_was(online: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="tithe")
    online.put({"train.parquet": BIG})
    online.broken["train.parquet"] = [5000, 3000]
    path = catalog.fetch(REPO)
    asked = [span for method, name, span in online.asked if method == "GET" and name.endswith("train.parquet")]
    assert asked == ["bytes=0-", "bytes=5000-", "bytes=8000-"]
    assert storage.read_json(path.with_suffix(".json"))["files"] == {"train.parquet": hashlib.sha256(BIG).hexdigest()}
    assert f"train.parquet broke off at 5000 of {len(BIG)} bytes" in caplog.text and len(rows(path)) == 250


def test_a_line_that_stays_down_is_told_and_the_next_call_goes_on(online: Hub) -> None:
    online.put({"train.parquet": BIG})
    online.broken["train.parquet"] = [4000] + [0] * files.TRIES
    refused(
        lambda: catalog.fetch(REPO),
        files.Unreachable,
        f"broke off at 4000 of {len(BIG)} bytes.*run the same command to resume",
    )
    online.asked.clear()
    assert len(rows(catalog.fetch(REPO))) == 250
    assert [span for method, _, span in online.asked if method == "GET" and span] == ["bytes=4000-"]


def test_a_server_that_knows_no_ranges_is_heard_from_the_start(online: Hub) -> None:
    online.put({"train.parquet": BIG})
    online.ranges, online.broken["train.parquet"] = False, [5000]
    assert len(rows(catalog.fetch(REPO))) == 250


def test_large_files_may_lie_elsewhere_where_no_token_goes(online: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    online.put({"train.parquet": BIG})
    online.elsewhere, online.broken["train.parquet"] = True, [5000]
    assert len(rows(catalog.fetch(REPO))) == 250
    spans = [span for _, name, span in online.asked if name.startswith("/elsewhere")]
    assert spans == ["bytes=0-", "bytes=5000-"] and online.tokens_elsewhere == [None, None]


@pytest.mark.parametrize(("name", "etag"), [("train.parquet", "0" * 64), ("train.csv", "0" * 40)])
def test_other_bytes_than_announced_are_deleted(name: str, etag: str, online: Hub, tmp_path: Path) -> None:
    online.put({name: BIG if name.endswith("parquet") else b"text,label\na,b\n"})
    online.false_etags[name] = etag
    refused(lambda: catalog.fetch(REPO), TitheError, f"{name} arrived with the hash [0-9a-f]+ instead of {etag}")
    assert not [p for p in (tmp_path / "hf").rglob("*") if p.name.startswith(etag) and p.suffix != ".lock"]
    online.false_etags.clear()
    assert rows(catalog.fetch(REPO))
