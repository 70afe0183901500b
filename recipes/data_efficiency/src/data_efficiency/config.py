"""Configs: the documented keys, in a file or a dict; a `tithe.Run` is one too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tithe import Run, plugins, read_config

Config = plugins.load("formats", "data_efficiency").Config
Source = str | Path | Mapping[str, Any] | Run
EXAMPLE = "configs/train_config_example.json"

__all__ = ["EXAMPLE", "Config", "Source", "read_config"]
