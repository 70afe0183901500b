"""A path in a config may begin with `~`, in every format and on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from support.configs import BASE, Load
from tithe import config, plugins
from tithe.errors import InputError
from tithe.evaluate.checkpoint import Evaluation

SETTINGS = [
    *("data.path", "data.label_mapping", "model.encoder", "select.strategy", "select.language_model", "select.first"),
    *("select.scores", "data.embeddings", "data.corrections"),
    *("checkpoint.resume", "track.tensorboard_dir", "track.neptune.env_path", "out"),
]


@pytest.mark.parametrize("key", SETTINGS)
def test_a_tilde_in_a_setting_is_the_home_folder(
    key: str, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    value: Any = load(BASE, f"{key}=~/x")
    for name in key.split("."):
        value = getattr(value, name)
    assert value == f"{tmp_path}/x"


def test_a_config_in_the_home_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "c.yaml").write_text("data: {path: ~/rows.csv}\n")
    assert config.load("~/c.yaml").data.path == f"{tmp_path}/rows.csv"


MODELS = {"native": config.Run, "evaluation": Evaluation, **{n: f.Config for n, f in plugins.each("formats")}}


def texts(model: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    """Yield the settings that are texts, each with whether it is read as a path."""
    for name, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from texts(kind)
        shown = repr((field.annotation, field.metadata))
        if "str" in shown:
            yield name, "_one_path" in shown


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"native"}))
def test_a_setting_whose_name_is_that_of_a_path_is_one(name: str) -> None:
    words = {"path", "dir", "root", "resume", "encoder", "mapping"}
    named = {key: is_path for key, is_path in texts(MODELS[name]) if key == "out" or words & {*key.split("_")}}
    assert named and [key for key, is_path in named.items() if not is_path] == []


def test_no_path_has_a_zero_byte_or_the_home_of_nobody(load: Load) -> None:
    with pytest.raises(InputError, match="has a zero byte, which no path can have"):
        config.parse({"data": {"path": "a\0b"}})
    with pytest.raises(InputError, match="there is no user 'nobody-here'"):
        load("data: {path: ~nobody-here/a.csv}")
