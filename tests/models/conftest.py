"""Small encoders in turn, and heads on a frozen one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.freezing import FIRST

Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def frozen(settings: Settings) -> Settings:
    """Settings of a head on a frozen encoder; keyword arguments go into their sections."""

    def build(**sections: Any) -> dict[str, Any]:
        model = {"freeze": "all", "head": "mlp", "hidden_dim": 16, **sections.pop("model", {})}
        return settings(model=model, **sections)

    return build


@pytest.fixture
def no_look_at_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave passes over the data alone to be counted: each network is also shown two short texts and two rows first."""

    def width(model: Any, *about: object, **how: object) -> int:
        return int(model.encoder.config.hidden_size)

    monkeypatch.setattr("tithe.models.padding.check", width)
    monkeypatch.setattr("tithe.models.trial_pass.run", lambda *about: None)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows in each forward pass of an encoder."""
    from transformers import BertModel, ModernBertModel

    seen: list[int] = []
    for kind in (BertModel, ModernBertModel):

        def counted(self: Any, *args: Any, real: Any = kind.forward, **kwargs: Any) -> Any:
            seen.append(len(kwargs["input_ids"]))
            return real(self, *args, **kwargs)

        monkeypatch.setattr(kind, "forward", counted)
    return seen


@pytest.fixture(params=list(FIRST))
def named(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """Each of the two encoders in turn, with its name."""
    return request.param, request.getfixturevalue(request.param)


FOLDERS = ["tiny_bert", "tiny_modernbert"]


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    """Each of the two encoders in turn."""
    return request.getfixturevalue(request.param)
