"""A hub on loopback, and this process asking it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hub import Hub
from tithe.fetch.hub import files


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
