"""The commands at the end of a run's page: what they repeat has the same weights."""

from __future__ import annotations

import html
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import classifier_training, photographs
from support.data_efficiency import documented  # noqa: F401  a fixture
from support.signals import asked_after
from tithe import config, interrupts, pipeline
from tithe.errors import Interrupted

Tithe = Callable[..., tuple[Any, str, list[str]]]


@pytest.fixture
def again(tithe: Tithe, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Run the commands of a page as they are written, and compare the weights."""

    def check(home: Path) -> None:
        page = (home / "report.html").read_text(encoding="utf-8")
        written = html.unescape(page.partition("<pre>")[2].partition("</pre>")[0]).splitlines()
        assert [shlex.split(line)[:2] for line in written] == [["tithe", "verify"], ["tithe", "train"]]
        for line in written:
            code, _, err = tithe(*shlex.split(line)[1:])
            assert code == 0, err
        assert photographs.final(Path(f"{home}-again")) == photographs.final(home)

    return check


Again = Callable[[Path], None]


def test_a_run_on_texts(settings: Callable[..., dict[str, Any]], tmp_path: Path, again: Again) -> None:
    raw = settings(out=str(tmp_path / "my runs" / "it's"), select={"strategy": "k_center", "budget": 0.5})
    again(pipeline.train(config.parse(raw)).home)


def test_a_run_that_went_on(
    settings: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, again: Again
) -> None:
    run = config.parse(settings(checkpoint={"resume": "auto", "every_batches": 2, "keep": 1}))
    with monkeypatch.context() as patch:
        patch.setattr(interrupts, "StopRequest", asked_after(5))
        with pytest.raises(Interrupted):
            pipeline.train(run)
    home = pipeline.train(run).home
    assert json.loads((home / "config.json").read_text())["checkpoint"]["resume"]
    again(home)


def test_a_run_on_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: Again) -> None:
    photographs.with_little_detector(monkeypatch)
    photographs.without_pictures(monkeypatch)
    again(photographs.train(photographs.twins(tmp_path / "set"), tmp_path / "out", epochs=1).home)


def test_a_run_of_a_recipe_with_files_of_its_own(tiny_bert: Path, tmp_path: Path, again: Again) -> None:
    again(pipeline.train(classifier_training.read(tmp_path, tiny_bert, {})).home)


def test_a_run_of_a_recipe_that_selects(
    documented: dict[str, Any],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    again: Again,
) -> None:
    monkeypatch.chdir(tmp_path)  # where its runs are written, by a path that is not absolute
    again(pipeline.train(config.parse(documented, ["train.device=cpu", "track.tensorboard=false"])).home)
