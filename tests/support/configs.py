"""Small configs, and the one line that says why one is refused."""

from collections.abc import Callable

import pytest

from tithe import config
from tithe.errors import InputError

BASE = "data: {path: rows.parquet}\n"
SECRET = "s3cr3t-do-not-show"

Load = Callable[..., config.Run]

DOCUMENTED = "model_name: tiny\ndata: {parquet_path: rows.parquet}\n"


def refusal(load: Load, text: str | bytes, *overrides: str) -> str:
    """Load what must be refused, and return the one line that says why."""
    with pytest.raises(InputError) as caught:
        load(text, *overrides)
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert message.strip() == message != ""
    assert len(message.splitlines()) == 1, message
    return message
