"""Scores and embeddings of the user's own: what they mean for rows, and each way in which a file is wrong."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tithe
from support.texts import make_texts, write_rows
from tithe import config, pipeline, storage
from tithe.errors import InputError
from tithe.select.settings import check_unedited, content_hashes, fingerprint
from tithe.select.signals import own_files

Settings = Callable[..., dict[str, Any]]
Tithe = Callable[..., tuple[Any, str, list[str]]]

IDS = np.array([0, 2, 3])  # row 1 of 4 was dropped in cleaning


def scores(folder: Path, id: Any = (3, 2, 1, 0), score: Any = (0.3, 0.2, 0.1, 0.0), **more: Any) -> str:
    pq.write_table(pa.table({"id": id, "score": score, **more}), folder / "scores.parquet")
    return str(folder / "scores.parquet")


def vectors(folder: Path, values: Any) -> str:
    np.save(folder / "vectors.npy", values, allow_pickle=True)
    return str(folder / "vectors.npy")


# ---- what a file means


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"id": (3, 2, 0), "score": (0.3, 0.2, 0.0)},
        {"score": (0.3, 0.2, None, 0.0)},
        {"id": (3, 2, 1, 1, 0), "score": (0.3, 0.2, 7.0, 8.0, 0.0)},
        {"id": np.array([3, 2, 1, 0], np.uint32), "score": np.array([3, 2, 1, 0])},
        {"rank": (0, 1, 2, 3)},
    ],
    ids=["in any order", "no dropped row", "no score for it", "two for it", "whole numbers", "more columns"],
)
def test_scores_are_those_of_the_positions(table: dict[str, Any], tmp_path: Path) -> None:
    found = own_files.read_scores(scores(tmp_path, **table), IDS, rows_read=4)
    assert (found / found.max()).round(3).tolist() == [0.0, 0.667, 1.0] and found.dtype == np.float64


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_embeddings_are_those_of_the_positions(kind: str, tmp_path: Path) -> None:
    values = np.arange(8, dtype=kind).reshape(4, 2)
    values[1] = np.nan  # nobody reads that of a dropped row
    found = own_files.read_embeddings(vectors(tmp_path, values), IDS, rows_read=4)
    assert found.tolist() == [[0, 1], [4, 5], [6, 7]] and found.dtype == np.float32


# ---- and what is wrong with it

WRONG_SCORES = [
    (
        {"id": (0, 1, 2), "score": (1.0, 1.0, 1.0)},
        r"row 3 of the data has no score \(1 row in all\): give each row one",
    ),
    ({"id": (0, 1, 2, 3, 2), "score": (1.0,) * 5}, "row 2 of the data has several scores"),
    ({"id": (2, 2, 2, 2)}, "row 2 of the data has several scores"),
    ({"score": (1.0, float("nan"), 1.0, 1.0)}, "row 2 of the data has a score that is not a finite number"),
    ({"score": (1.0, None, 1.0, float("inf"))}, r"row 0 of the data has a score that is not .* \(2 rows in all\)"),
    ({"id": (0, 1, 2, 4)}, "id 4 is not a row of the data, which have 4"),
    ({"id": (0, 1, -1, 3)}, "id -1 is not a row of the data"),
    ({"id": (0, 1, None, 3)}, "an id is missing"),
    ({"id": ("0", "1", "2", "3")}, "column 'id' is string: write whole numbers"),
    ({"score": ("0", "1", "2", "3")}, "column 'score' is string: write numbers"),
]


@pytest.mark.parametrize(("table", "says"), WRONG_SCORES, ids=[says[:30] for _, says in WRONG_SCORES])
def test_wrong_scores_are_one_line(table: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as caught:
        own_files.read_scores(scores(tmp_path, **table), IDS, rows_read=4)
    assert "\n" not in str(caught.value) and "scores.parquet" in str(caught.value)


WRONG_VECTORS = [
    (np.zeros((3, 2)), "has 3 rows, the data 4: give each row a vector"),
    (np.array([[0.0], [0.0], [np.nan], [0.0]]), "the vector of row 2 is not finite"),
    (np.array([[0.0], [0.0], [0.0], [1e300]]), "the vector of row 3 is not finite"),
    (np.zeros(4), r"is float64 of shape \(4,\): it needs floating-point numbers of shape \(rows, width\)"),
    (np.zeros((4, 0)), r"is float64 of shape \(4, 0\)"),
    (np.zeros((4, 2), dtype=int), r"is int64 of shape \(4, 2\)"),
    (np.array([{}] * 4), "is not a .npy file of numbers: write it with numpy.save"),
]


@pytest.mark.parametrize(("values", "says"), WRONG_VECTORS, ids=[says[:30] for _, says in WRONG_VECTORS])
def test_wrong_embeddings_are_one_line(values: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as caught:
        own_files.read_embeddings(vectors(tmp_path, values), IDS, rows_read=4)
    assert "\n" not in str(caught.value) and "vectors.npy" in str(caught.value)


EARLY = [
    ({"select": {"strategy": "scores"}}, "scores reads scores: set select.scores to a Parquet file of the columns id"),
    ({"select": {"scores": "nowhere"}}, "select.scores: no file nowhere"),
    ({"select": {"scores": "rows.parquet"}}, "rows.parquet has no column 'id'"),
    ({"select": {"scores": "text"}}, "select.scores text is not a Parquet file"),
    ({"select": {"scores": "good.parquet", "rounds": 2}}, "it reads scores, which no model trained between rounds"),
    ({"select": {"strategy": "random"}, "data": {"embeddings": "nowhere"}}, "data.embeddings: no file nowhere"),
    ({"select": {}, "data": {"embeddings": "text"}}, "data.embeddings text is not a .npy file of numbers"),
    (
        {"select": {"strategy": "k_center", "rounds": 2}, "data": {"embeddings": "good.npy"}},
        "it reads fixed embeddings, which no model trained between rounds changes",
    ),
]


@pytest.mark.parametrize(("sections", "says"), EARLY, ids=[says[:40] for _, says in EARLY])
def test_what_can_be_seen_before_the_rows_are_read_is(
    sections: dict[str, Any], says: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("no array")
    Path(scores(tmp_path)).rename("good.parquet")
    Path(vectors(tmp_path, np.zeros((120, 2)))).rename("good.npy")
    with pytest.raises(InputError) as caught:
        pipeline.check(config.parse(settings(**sections)))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_no_strategy_reads_are_named(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"embeddings": vectors(tmp_path, np.zeros((120, 2)))}
    pipeline.check(config.parse(settings(data=own, select={"strategy": "random", "scores": scores(tmp_path)})))
    pipeline.check(config.parse(settings(data=own)))
    said = [record.getMessage().partition(tmp_path.name)[0] for record in caplog.records]
    assert [line.split()[0] for line in said] == ["select.scores", "data.embeddings", "data.embeddings"]


# ---- a selection by them


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder of two files, 8 rows in all, of which row 2 is dropped."""
    texts, labels = make_texts(4)
    (tmp_path / "parts").mkdir()
    write_rows(tmp_path / "parts/a.parquet", [*texts[:2], None, texts[2]], labels[:4])
    write_rows(tmp_path / "parts/b.parquet", texts[4:], labels[4:])
    return tmp_path / "parts"


def cached(kind: str) -> bool:
    return (storage.cache_dir() / kind).exists()


def test_the_highest_scores_are_kept_and_positions_count_on_over_parts(
    parts: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    file = scores(tmp_path, range(8), (0.0, 9.0, 99.0, 1.0, 2.0, 3.0, 8.0, 4.0))
    how: dict[str, Any] = {"encoder": str(tiny_bert), "max_length": 32, "balance": "none", "floor": 0}
    picks = tithe.select(parts, budget=0.4, scores=Path(file), **how)
    assert picks.ids.tolist() == [1, 6, 7] and picks.settings.strategy == "scores"
    assert picks.selection.score.tolist() == [9.0, 8.0, 4.0]
    assert picks.code == {"scores_sha256": storage.sha256_file(Path(file))}
    far = np.zeros((8, 2))
    far[[3, 6]] = (9, 0), (0, 5)
    picks = tithe.select(parts, "k_center", budget=0.4, embeddings=vectors(tmp_path, far), **how)
    assert set(picks.ids) > {3, 6} and picks.pool.embeddings.shape == (7, 2)


def test_the_command_takes_both_and_a_frozen_encoder_does_not_run(
    rows: Path, tiny_bert: Path, tmp_path: Path, tithe: Tithe
) -> None:
    values, far = np.zeros((120, 3)), [5, 77]
    values[far] = (4, 0, 0), (0, 7, 0)
    given = ["--embeddings", vectors(tmp_path, values), "--scores", scores(tmp_path, range(120), [0.0] * 120)]
    asked = ["select", rows, "--encoder", tiny_bert, "--max-length", 32, "--balance", "none", "--floor", 0, *given]
    code, _, err = tithe(*asked, "--strategy", "k_center", "--budget", 3 / 120, "--out", tmp_path / "picks.parquet")
    assert code == 0 and any("select.scores" in line and "has no effect" in line for line in err), err
    assert set(pq.read_table(tmp_path / "picks.parquet")["id"].to_pylist()) > set(far)
    assert storage.read_json(tmp_path / "picks.json").keys() & {"scores_sha256", "embeddings_sha256"} == {
        "embeddings_sha256"
    }
    assert cached("tokens") and not cached("features")


def test_a_regression_on_own_embeddings_buys_labels_without_the_encoder(
    rows: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    labels = pq.read_table(rows)["label"].to_pylist()
    told = np.array([[label == "sport", i / 1e6] for i, label in enumerate(labels)], dtype=float)
    raw = {"data": {"path": str(rows), "embeddings": vectors(tmp_path, told)}}
    raw |= {"model": {"encoder": str(tiny_bert), "max_length": 32, "freeze": "all"}}
    raw |= {"select": {"strategy": "margin", "track": "T0", "rounds": 2, "budget": 0.3}}
    picks = tithe.select(raw)
    assert len(picks.ids) == 29 and picks.rounds[1]["evidence"]["accuracy"] > 0.7 and not cached("features")


KEEPS_TWO = """
NEEDS = ("embeddings", "probs")


def score(pool, rng, options):
    assert pool.embeddings.shape[1] == 2, pool.embeddings.shape
    return pool.embeddings[:, 0]
"""


def test_own_embeddings_stay_where_rounds_train_the_encoder(settings: Settings, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "keeps_two.py").write_text(KEEPS_TWO)
    own = {"embeddings": vectors(tmp_path, np.random.default_rng(0).normal(size=(120, 2)))}
    select = {"strategy": str(tmp_path / "keeps_two.py"), "rounds": 2, "budget": 0.2}
    picks = tithe.select(settings(data=own, select=select, train={"epochs": 1}))
    assert len(picks.ids) == 19 and picks.rounds[1]["model_sha256"]


# ---- a file counts by its content


def test_a_moved_file_is_the_same_and_an_edited_one_is_not(settings: Settings, tmp_path: Path) -> None:
    def made(vectors_file: str, scores_file: str) -> tuple[dict[str, Any], dict[str, str]]:
        run = config.parse(settings(data={"embeddings": vectors_file}, select={"scores": scores_file, "rounds": 2}))
        assert run.select
        first = run.select.model_copy(update={"first": "k_center"})
        return fingerprint(first, run.data), content_hashes(first, run.data)

    embeddings, own = vectors(tmp_path, np.zeros((120, 2))), scores(tmp_path)
    before, code = made(embeddings, own)
    assert "scores" not in before and set(code) == {"scores_sha256", "embeddings_sha256"}
    moved = [str(Path(file).rename(tmp_path / f"moved-{i}")) for i, file in enumerate((embeddings, own))]
    assert made(*moved)[0] == before
    check_unedited(made(*moved)[1], code)
    Path(moved[0]).write_bytes(Path(vectors(tmp_path, np.ones((120, 2)))).read_bytes())
    assert made(*moved)[0] != before
    with pytest.raises(
        InputError, match=r"the file of data\.embeddings was edited while it was in use: run this again"
    ):
        check_unedited(made(*moved)[1], code)
    unread = config.Select(strategy="random", scores=moved[1])
    assert content_hashes(unread, config.Data(path="rows", embeddings=moved[0])) == {}
    assert fingerprint(unread, config.Data(path="rows")) == fingerprint(config.Select(), config.Data(path="rows"))


@pytest.mark.parametrize("sections", [{"select": {"scores": "few.parquet"}}, {"data": {"embeddings": "few.npy"}}])
def test_files_that_do_not_fit_the_rows_are_found_before_the_encoder_runs(
    sections: dict[str, Any], settings: Settings, tithe: Tithe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(scores(tmp_path)).rename("few.parquet")
    Path(vectors(tmp_path, np.zeros((4, 2)))).rename("few.npy")
    Path("c.json").write_text(json.dumps(settings(**{"select": {}, "model": {"freeze": "all"}, **sections})))
    for words in (["train"], ["select", "--out", "picks.parquet"], ["suite", "--seeds", "0", "--out", "suite"]):
        code, _, err = tithe(words[0], "c.json", *words[1:])
        assert code == 2 and re.search(r"has no score \(|has 4 rows, the data 120", err[-1]), err
    assert not (Path(os.environ["TITHE_CACHE"]) / "features").exists()
