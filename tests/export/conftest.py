"""What the tests of exports share: one that is only read."""

from pathlib import Path

import pytest

from support.exports import Exported, make


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Exported:
    return make(tmp_path_factory.mktemp("exported"), tiny_bert)
