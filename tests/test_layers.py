"""The architecture: which room may import which, read from the one line in ARCHITECTURE.md and from syntax trees."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.layering import FREE_OF_TORCH, HEAVY, MODULES, PLACE, SOURCE, Module, parsed, read, violations
from support.paths import ROOT


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    """The source, read once."""
    return read(SOURCE)


def test_the_architecture_holds(modules: list[Module]) -> None:
    assert violations(modules) == []


def test_every_room_is_in_the_layering_line(modules: list[Module]) -> None:
    rooms = {module.room for module in modules} - {"__init__", "__main__"}
    assert rooms == PLACE.keys()


def test_every_module_is_in_the_tree_of_the_architecture(modules: list[Module]) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tree = text.split("```")[1]
    words = set(re.findall(r"\w+", tree)) | {"__init__", "__main__"}
    missing = [module.path for module in modules if module.path.rpartition("/")[2] not in words]
    assert missing == [] and text.count("\n") <= 100


# ---- the checker finds each kind of breach: (file, what is added to it, what must be said)

BREACHES = [
    ("config/schema.py", "import torch", "config/schema:1 imports torch: not allowed in config"),
    ("config/schema.py", "import numpy as np", "config/schema:1 imports numpy: not allowed in config"),
    ("config/schema.py", "from ruamel.yaml import YAML", "imports ruamel.yaml: only inside functions"),
    ("config/schema.py", "from tithe import data", "imports tithe.data: data comes after config"),
    (
        "config/schema.py",
        "from tithe.data.labels import LabelMap",
        "imports tithe.data.labels: data comes after config",
    ),
    ("config/schema.py", "import tithe.train.trainer", "imports tithe.train.trainer: train comes after config"),
    (
        "config/schema.py",
        "def f():\n    from tithe.train import trainer",
        "schema:2 imports tithe.train.trainer",
    ),
    ("config/schema.py", "if True:\n    import requests", "imports requests: not allowed in config"),
    ("storage/files.py", "import pydantic", "imports pydantic: not allowed in storage"),
    ("errors.py", "from . import config", "imports .: imports are absolute"),
    ("errors.py", "from tithe import Run", "imports tithe.Run: no such module"),
    ("errors.py", "import tithe", "imports tithe: the package itself is above everything"),
    ("progress.py", "import rich", "imports rich: only inside functions"),
    ("data/labels.py", "import torch", "data/labels:1 imports torch: not allowed in data"),
    ("data/labels.py", "def f():\n    import transformers", "imports transformers: not allowed in data"),
    ("data/labels.py", "from tithe.data.readers import csv", "leaves are loaded by plugins.load alone"),
    ("report/html.py", "import torch", "report/html:1 imports torch: only inside functions"),
    ("metrics/classification.py", "import sklearn.metrics", "imports sklearn.metrics: only inside functions"),
    ("train/trainer.py", "from tithe import pipeline", "imports tithe.pipeline: pipeline comes after train"),
    ("train/trainer.py", "from tithe.tasks import text", "imports tithe.tasks.text: leaves are loaded"),
    ("train/trainer.py", "def f(token_ids): ...", "train/trainer:1 speaks of 'token_ids'"),
    ("train/trainer.py", "image = 1", "train/trainer:1 speaks of 'image'"),
    ("train/trainer.py", "x = object().text", "train/trainer:1 speaks of 'text'"),
    ("train/trainer.py", "def f(a, b, c, d, e, g, h): ...", "f has 7 parameters: 6 at most"),
    ("pipeline.py", "from tithe.cli import main", "imports tithe.cli.main: cli comes after pipeline"),
    ("pipeline.py", "import typer", "imports typer: not allowed in pipeline"),
    ("pipeline.py", "def f():\n    from tithe.track.trackers import neptune", "pipeline:2 imports tithe.track.tr"),
    ("pipeline.py", 'NAME = "tithe.tasks.text"', "pipeline:1 names the leaf tithe.tasks.text"),
    ("cli/main.py", "from tithe.config.formats import classifier_training", "leaves are loaded by plugins.load alone"),
    ("cli/main.py", "import transformers", "imports transformers: only inside functions"),
    ("cli/main.py", "import torch", "imports torch"),
    ("data/readers/csv.py", "from tithe.data.readers import jsonl", "leaves are loaded by plugins.load alone"),
    ("data/readers/csv.py", "from tithe.models import tiny", "imports tithe.models.tiny: models comes after data"),
    ("data/readers/csv.py", "import pandas", "imports pandas: not allowed in data"),
    ("tasks/text.py", "from tithe.runs import session", "imports tithe.runs.session: runs comes after tasks"),
    ("utils.py", "x = 1", "the room 'utils' is not in the layering line"),
    ("data/utils.py", "x = 1", "no module is named utils"),
    ("newcomer/file.py", "x = 1", "the room 'newcomer' is not in the layering line"),
    ("errors.py", "# \n" * 310, "lines: 300 at most"),
    ("tasks/text.py", "torch.manual_seed(0)", "tasks/text:1 sets the global random state"),
    ("metrics/classification.py", "np.random.seed(0)", "metrics/classification:1 sets the global random state"),
    (
        "metrics/classification.py",
        "def f():\n    return np.random.permutation(3)",
        "draws from the global random state",
    ),
    ("train/trainer.py", "from random import seed\nseed(0)", "train/trainer:2 sets the global random state"),
    ("train/trainer.py", "torch.cuda.manual_seed_all(0)", "train/trainer:1 sets the global random state"),
    ("train/trainer.py", "torch.set_rng_state(None)", "train/trainer:1 sets the global random state"),
]


Changed = Callable[[dict[str, str]], list[str]]


@pytest.fixture(scope="module")
def changed(modules: list[Module]) -> Changed:
    """Return the breaches among empty files of all modules, some of which have code."""
    empty = {module.path: parsed(module.path, "") for module in modules}

    def breaches(code: dict[str, str]) -> list[str]:
        written = {path: parsed(path, text) for path, text in ((f.removesuffix(".py"), t) for f, t in code.items())}
        return violations(list({**empty, **written}.values()))

    assert breaches({}) == []
    return breaches


@pytest.mark.parametrize(("file", "code", "says"), BREACHES, ids=[f"{f}: {c[:40]!r}" for f, c, _ in BREACHES])
def test_a_breach_is_found(changed: Changed, file: str, code: str, says: str) -> None:
    breaches = changed({file: code})
    assert any(says in breach for breach in breaches), breaches


def test_a_circle_is_found(changed: Changed) -> None:
    one, other = "from tithe.data import splits", "def f():\n    from tithe.data.labels import LabelMap"
    breaches = changed({"data/labels.py": one, "data/splits.py": other})
    assert any("data/labels, data/splits" in breach for breach in breaches)


def test_a_full_folder_is_found(changed: Changed) -> None:
    breaches = changed({f"tune/file_{number}.py": "" for number in range(MODULES)})
    assert any(breach.startswith("tune has ") for breach in breaches)


INNOCENT = [
    ("config/schema.py", "def f():\n    from ruamel.yaml import YAML"),
    ("metrics/classification.py", "def f():\n    from sklearn.metrics import f1_score"),
    ("metrics/classification.py", "rng = np.random.default_rng(0)"),
    ("train/loader.py", "generator = torch.Generator().manual_seed(0)"),
    ("models/encoders.py", "with torch.random.fork_rng(devices=[]):\n    torch.manual_seed(0)"),
    ("train/random_stream.py", "torch.manual_seed(0)"),
    ("train/trainer.py", "import contextlib\ncontext = contextlib.nullcontext()"),
    ("pipeline.py", "from tithe import config, data\nfrom tithe.data.clean import clean_text"),
    ("cli/main.py", "from tithe import __version__, pipeline"),
    ("cli/train.py", "def f(a, b, c, d, e, g, h): ..."),
    ("estimator.py", "from sklearn.base import BaseEstimator\ndef f(a, b, c, d, e, g, h): ..."),
]


@pytest.mark.parametrize(("file", "code"), INNOCENT, ids=[f"{f}: {c[:40]!r}" for f, c in INNOCENT])
def test_what_is_allowed_is_not_a_breach(changed: Changed, file: str, code: str) -> None:
    assert changed({file: code}) == []


# ---- imports are a budget

LATE = {"torch", "numpy", "transformers", "accelerate", "pyarrow", "sklearn", "matplotlib", "ruamel", "PIL", "jinja2"}
HELPS = [("--help",), ("--version",), ("train", "--help"), ("config", "--help")]


def loaded(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules it has loaded."""
    ending = "\nimport sys; print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, check=True).stdout
    return set(out.splitlines()[-1].split()[1:])


def command(*arguments: str) -> str:
    call = "\ntry: main()\nexcept SystemExit as end: assert end.code == 0, end.code"
    return f"import sys; sys.argv = ['tithe', *{arguments!r}]; from tithe.cli.main import main{call}"


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_help_loads_no_heavy_library(arguments: tuple[str, ...]) -> None:
    assert loaded(command(*arguments)).isdisjoint(LATE)


def test_the_package_loads_nothing_until_it_is_touched() -> None:
    assert loaded("import tithe").isdisjoint(LATE)
    assert "pydantic" in loaded("import tithe; tithe.Run")


def test_a_config_is_shown_without_the_heavy_libraries(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("data: {path: rows.parquet}")
    modules = loaded(command("config", "show", str(tmp_path / "run.yaml")))
    assert "pydantic" in modules
    assert modules.isdisjoint(LATE - {"ruamel"})


def test_the_rooms_before_the_mark_load_no_torch(modules: list[Module]) -> None:
    paths = [m.path for m in modules if m.room in FREE_OF_TORCH and not m.leaf_of and m.path != "plugins"]
    names = ", ".join(f"tithe.{path.removesuffix('/__init__').replace('/', '.')}" for path in paths)
    assert loaded(f"import {names}").isdisjoint(HEAVY)


@pytest.mark.parametrize("family", ["formats", "readers"])
def test_formats_and_readers_load_no_torch(family: str) -> None:
    code = f"from tithe import plugins\nfor name in plugins.names('{family}'): plugins.load('{family}', name)"
    modules = loaded(code)
    assert modules.isdisjoint(HEAVY)
    assert ("pyarrow" in modules) is (family == "readers")
