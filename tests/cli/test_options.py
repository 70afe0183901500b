"""What the commands share."""

from __future__ import annotations

import os

import pytest
from transformers.utils import logging as transformers_logging

from tithe.cli.options import quiet_libraries


def libraries() -> tuple[object, ...]:
    bars = transformers_logging.is_progress_bar_enabled()
    return os.environ.get("TOKENIZERS_PARALLELISM"), transformers_logging.get_verbosity(), bars


@pytest.mark.parametrize("parallelism", [None, "false"])
@pytest.mark.parametrize("bars", [True, False])
def test_libraries_are_quiet_inside_the_block_alone(
    monkeypatch: pytest.MonkeyPatch, parallelism: str | None, bars: bool
) -> None:
    monkeypatch.delenv("TOKENIZERS_PARALLELISM")
    if parallelism:
        monkeypatch.setenv("TOKENIZERS_PARALLELISM", parallelism)
    monkeypatch.setattr(transformers_logging, "_tqdm_active", bars)
    before = libraries()
    with pytest.raises(ValueError, match="stop"), quiet_libraries():
        assert libraries() == (parallelism or "true", transformers_logging.ERROR, False)
        raise ValueError("stop")
    assert libraries() == before and before[1] != transformers_logging.ERROR
