"""The house: which module may import what, read from the syntax trees, so that a broken layer fails a test."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import tithe

SOURCE = Path(tithe.__file__).parent

# A new module needs a place here: that is the point.
_ROOMS = {
    0: "errors plugins records cache proof config sections configfile vocabulary progress interrupts",
    1: "data metrics tracking pool ranking selection rounds reasons geometry proxies textstats ngrams "
    "photos authenticity calibration courier",
    2: "batches trainer optimizers randomness kernels devices encoders tensors freeze features checkpoint "
    "predict signals causal tiny classifier epochfiles forensics",
    3: "pipeline network session rundirs runlog artifacts selecting rescoring suite suite_page standings maps evaluate "
    "figures report compare verify trained predictions prepare fetch doctor "
    "closing judging evaluating robustness scoring authenticity_figures heatmaps "
    "batch_finder tuning trials trial_queue hub shelf debian",
    4: "cli cli_config cli_data cli_select cli_proof cli_tune __main__ __init__",
}
LEVELS = {level: set(rooms.split()) for level, rooms in _ROOMS.items()}
LEVEL = {name: level for level, modules in LEVELS.items() for name in modules}

# Leaves: the highest level that a family may import, and the packages it may.
FAMILIES = {"readers": 1, "tasks": 2, "trackers": 1, "recipes": 0, "strategies": 1, "galleries": 1}

# Packages by the level that may import them at the top of a file, and those it may only inside functions.
DATA_PACKAGES = {"pydantic", "numpy", "pyarrow"}
MODEL_PACKAGES = DATA_PACKAGES | {"torch", "accelerate", "transformers", "safetensors", "filelock"}
ALWAYS = {0: {"pydantic"}, 1: DATA_PACKAGES, 2: MODEL_PACKAGES, 3: MODEL_PACKAGES | {"matplotlib"}, 4: {"typer"}}
LATER = {
    0: {"ruamel", "rich"},
    1: {"sklearn", "cv2", "PIL"},
    2: {"tokenizers"},
    3: {"sklearn", "scipy"},
    4: {"transformers"},
}
OF_FAMILY = {
    "trackers": {"torch", "neptune", "mlflow", "clearml", "PIL"},
    "hub": {"huggingface_hub", "httpx2"},  # the client, and what it speaks HTTP with
}
HEAVY = {"torch", "transformers", "accelerate"}

LINES = 320
MODALITIES = {"text", "texts", "token", "tokens", "tokenizer", "image", "images", "pixel", "pixels"}
SEEDING = {"seed", "manual_seed", "manual_seed_all", "set_seed", "set_rng_state", "set_state"}


class Import(NamedTuple):
    """One imported module: its dotted name, its line, and whether it stands inside a function."""

    name: str
    line: int
    in_function: bool


class Module(NamedTuple):
    """One source file: its path from the root without suffix, and its syntax tree."""

    path: str
    tree: ast.Module
    lines: int

    @property
    def top(self) -> str:
        return self.path.partition("/")[0]

    @property
    def level(self) -> int:
        """The level whose rules a module obeys: its own, or its family's."""
        return FAMILIES.get(self.top, LEVEL.get(self.top, 0))


def modules(root: Path) -> list[Module]:
    found = []
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(str(path.relative_to(root).with_suffix("")), ast.parse(text), text.count("\n")))
    return found


def imports(module: Module, known: set[str]) -> Iterator[Import]:
    """Yield every import, at the top and inside functions, `from package import module` resolved to the module."""
    inside = {
        child
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.walk(node)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, node in inside)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            for alias in node.names:
                whole = f"{package}.{alias.name}"
                if package == "tithe" and alias.name.startswith("__"):
                    continue  # `from tithe import __version__` is a name, not a module
                is_module = whole.removeprefix("tithe.").replace(".", "/") in known
                yield Import(whole if is_module or package == "tithe" else package, node.lineno, node in inside)


def violations(root: Path) -> list[str]:
    """Return every breach of the house's rules under a source root, one line each."""
    found = modules(root)
    known = {m.path.removesuffix("/__init__") for m in found} | set(FAMILIES)
    breaches = [breach for module in found for breach in _breaches(module, known)]
    return breaches + _circles(found, known)


def _breaches(module: Module, known: set[str]) -> Iterator[str]:
    if module.top not in LEVEL and module.top not in FAMILIES:
        yield f"{module.path} has no level: give it one in LEVELS"
    if "utils" in module.path.split("/"):
        yield f"{module.path}: no module is named utils"
    if module.lines > LINES:
        yield f"{module.path} has {module.lines} lines: {LINES} at most"
    for found in imports(module, known):
        if problem := _forbidden(module, found):
            yield f"{module.path}:{found.line} imports {found.name}: {problem}"
    yield from _seeding(module)
    yield from _modality(module)
    yield from _leaves_by_name(module)


def _forbidden(module: Module, found: Import) -> str:
    package = found.name.partition(".")[0]
    if found.name.startswith("."):
        return "imports are absolute"
    if package == "tithe":
        return _forbidden_inside(module, found.name.removeprefix("tithe").removeprefix("."))
    if package in sys.stdlib_module_names:
        return ""
    if package in ALWAYS[module.level] | OF_FAMILY.get(module.top, set()):
        return ""
    if package in LATER[module.level]:
        return "" if found.in_function else "only inside functions"
    return f"not allowed at level {module.level}"


def _forbidden_inside(module: Module, target: str) -> str:
    top = target.partition(".")[0]
    if top in FAMILIES:
        return "leaves are loaded by plugins.load alone"
    if top not in LEVEL:
        return "no such module of this project" if top else "the package itself is above everything"
    if LEVEL[top] > module.level:
        return f"level {LEVEL[top]} is above level {module.level}"
    return ""


def _seeding(module: Module) -> Iterator[str]:
    """The global generators belong to the caller: only the stream sets them, or a block that puts them back."""
    if module.path == "randomness":
        return
    forked = {
        child
        for node in ast.walk(module.tree)
        if isinstance(node, ast.With) and any("fork_rng" in ast.unparse(item.context_expr) for item in node.items)
        for child in ast.walk(node)
    }
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or node in forked:
            continue
        *owner, name = _dotted(node.func)
        if name in SEEDING and (not owner or owner[0] in {"np", "numpy", "torch", "random", "transformers"}):
            yield f"{module.path}:{node.lineno} sets the global random state"
        if owner in (["np", "random"], ["numpy", "random"]) and name != "default_rng":
            yield f"{module.path}:{node.lineno} draws from the global random state"


def _dotted(node: ast.expr) -> list[str]:
    """Return the parts of `torch.cuda.manual_seed`; what is called on a value begins with `?`."""
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    return [node.id] if isinstance(node, ast.Name) else ["?"]


def _modality(module: Module) -> Iterator[str]:
    """The trainer knows no modality."""
    if module.path != "trainer":
        return
    for node in ast.walk(module.tree):
        for name in (getattr(node, field, None) for field in ("id", "attr", "arg", "name")):
            if isinstance(name, str) and MODALITIES & set(name.lower().split("_")):
                yield f"trainer:{getattr(node, 'lineno', 0)} speaks of '{name}': it knows no modality"


def _leaves_by_name(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for family in FAMILIES:
                if node.value.startswith(f"tithe.{family}."):
                    yield f"{module.path}:{node.lineno} names the leaf {node.value}"


def _circles(found: list[Module], known: set[str]) -> list[str]:
    """Name the modules that import each other in a circle, wherever in the file the import stands."""
    edges: dict[str, set[str]] = {}
    for module in found:
        targets = {i.name.removeprefix("tithe.").replace(".", "/") for i in imports(module, known)}
        edges[module.path.removesuffix("/__init__")] = targets & known - {module.path.removesuffix("/__init__")}
    while edges:
        free = [name for name, targets in edges.items() if not targets & edges.keys()]
        if not free:
            return [f"imports go in a circle among {', '.join(sorted(edges))}"]
        for name in free:
            del edges[name]
    return []


def test_the_house_stands() -> None:
    assert violations(SOURCE) == []


def test_every_module_named_here_exists() -> None:
    found = {module.top for module in modules(SOURCE)}
    assert found == LEVEL.keys() | FAMILIES.keys()


# ---- the checker finds each kind of breach: (file, what is added to it, what must be said)

BREACHES = [
    ("config.py", "import torch", "config:1 imports torch: not allowed at level 0"),
    ("config.py", "import numpy as np", "config:1 imports numpy: not allowed at level 0"),
    ("config.py", "from ruamel.yaml import YAML", "imports ruamel.yaml: only inside functions"),
    ("config.py", "from tithe import data", "imports tithe.data: level 1 is above level 0"),
    ("config.py", "from tithe.data.clean import clean_text", "imports tithe.data.clean: level 1 is above level 0"),
    ("config.py", "import tithe.trainer", "imports tithe.trainer: level 2 is above level 0"),
    (
        "config.py",
        "def f():\n    from tithe import trainer",
        "config:2 imports tithe.trainer: level 2 is above level 0",
    ),
    ("config.py", "if True:\n    import requests", "imports requests: not allowed at level 0"),
    ("errors.py", "from . import config", "imports .: imports are absolute"),
    ("errors.py", "from tithe import Run", "imports tithe.Run: no such module"),
    ("errors.py", "import tithe", "imports tithe: the package itself is above everything"),
    ("progress.py", "import rich", "imports rich: only inside functions"),
    ("data/clean.py", "import torch", "data/clean:1 imports torch: not allowed at level 1"),
    ("data/ingest.py", "def f():\n    import transformers", "imports transformers: not allowed at level 1"),
    ("data/split.py", "from tithe import batches", "imports tithe.batches: level 2 is above level 1"),
    ("data/ingest.py", "from tithe.readers import csv", "leaves are loaded by plugins.load alone"),
    ("metrics.py", "import sklearn.metrics", "imports sklearn.metrics: only inside functions"),
    ("metrics.py", "from accelerate import Accelerator", "imports accelerate: not allowed at level 1"),
    ("trainer.py", "from tithe import pipeline", "imports tithe.pipeline: level 3 is above level 2"),
    ("trainer.py", "from tithe.tasks import text", "trainer:1 imports tithe.tasks.text: leaves are loaded"),
    ("trainer.py", "import matplotlib", "imports matplotlib: not allowed at level 2"),
    ("trainer.py", "def f(token_ids): ...", "trainer:1 speaks of 'token_ids'"),
    ("trainer.py", "image = 1", "trainer:1 speaks of 'image'"),
    ("trainer.py", "x = object().text", "trainer:1 speaks of 'text'"),
    ("pipeline.py", "from tithe import cli", "imports tithe.cli: level 4 is above level 3"),
    ("pipeline.py", "import typer", "imports typer: not allowed at level 3"),
    (
        "pipeline.py",
        "def f():\n    from tithe.trackers import neptune",
        "pipeline:2 imports tithe.trackers.neptune: leaves",
    ),
    ("pipeline.py", 'NAME = "tithe.tasks.text"', "pipeline:1 names the leaf tithe.tasks.text"),
    ("cli.py", "from tithe.recipes import classifier_training", "leaves are loaded by plugins.load alone"),
    ("cli.py", "import transformers", "imports transformers"),
    ("readers/csv.py", "from tithe.readers import jsonl", "leaves are loaded by plugins.load alone"),
    ("readers/csv.py", "from tithe.recipes import classifier_training", "leaves are loaded by plugins.load alone"),
    ("readers/csv.py", "from tithe import encoders", "imports tithe.encoders: level 2 is above level 1"),
    ("readers/csv.py", "import pandas", "imports pandas: not allowed at level 1"),
    ("tasks/text.py", "from tithe import session", "imports tithe.session: level 3 is above level 2"),
    ("trackers/neptune.py", "from tithe import checkpoint", "imports tithe.checkpoint: level 2 is above level 1"),
    ("recipes/classifier_training.py", "from tithe import data", "imports tithe.data: level 1 is above level 0"),
    ("recipes/classifier_training.py", "import numpy", "imports numpy: not allowed at level 0"),
    ("utils.py", "x = 1", "no module is named utils"),
    ("data/utils.py", "x = 1", "no module is named utils"),
    ("newcomer.py", "x = 1", "newcomer has no level"),
    ("errors.py", "# \n" * 330, "lines: 320 at most"),
    ("tasks/text.py", "torch.manual_seed(0)", "tasks/text:1 sets the global random state"),
    ("metrics.py", "np.random.seed(0)", "metrics:1 sets the global random state"),
    ("metrics.py", "def f():\n    return np.random.permutation(3)", "metrics:2 draws from the global random state"),
    ("batches.py", "from random import seed\nseed(0)", "batches:2 sets the global random state"),
    ("batches.py", "torch.cuda.manual_seed_all(0)", "batches:1 sets the global random state"),
    ("batches.py", "torch.set_rng_state(None)", "batches:1 sets the global random state"),
]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house of empty rooms."""
    leaves = ["readers/csv", "readers/jsonl", "tasks/text", "trackers/neptune", "recipes/classifier_training"]
    for name in [*LEVEL.keys() - {"data"}, "data/__init__", "data/clean", "data/ingest", "data/split", *leaves]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").touch()
    assert violations(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize(("file", "code", "says"), BREACHES, ids=[f"{f}: {c[:40]!r}" for f, c, _ in BREACHES])
def test_a_breach_is_found(house: Path, file: str, code: str, says: str) -> None:
    (house / file).write_text(code, encoding="utf-8")
    found = violations(house)
    assert any(says in breach for breach in found), found


def test_a_circle_is_found(house: Path) -> None:
    (house / "errors.py").write_text("from tithe import plugins")
    (house / "plugins.py").write_text("def f():\n    from tithe.records import digest")
    (house / "records.py").write_text("import tithe.errors")
    assert violations(house) == ["imports go in a circle among errors, plugins, records"]


def test_one_breach_in_the_real_house_is_found(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "tithe", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "tithe" / "metrics.py").open("a", encoding="utf-8") as file:
        file.write("\n\ndef curve():\n    import torch\n")
    new = set(violations(tmp_path / "tithe")) - set(violations(SOURCE))
    assert [breach.partition(" ")[2] for breach in new] == ["imports torch: not allowed at level 1"]


INNOCENT = [
    ("config.py", "def f():\n    from ruamel.yaml import YAML"),
    ("metrics.py", "def f():\n    from sklearn.metrics import f1_score"),
    ("metrics.py", "rng = np.random.default_rng(0)"),
    ("batches.py", "generator = torch.Generator().manual_seed(0)"),
    ("encoders.py", "with torch.random.fork_rng(devices=[]):\n    torch.manual_seed(0)"),
    ("randomness.py", "torch.manual_seed(0)"),
    ("trainer.py", "import contextlib\ncontext = contextlib.nullcontext()"),
    ("pipeline.py", "from tithe import batches, config, data\nfrom tithe.data.clean import clean_text"),
    ("cli.py", "from tithe import __version__, pipeline"),
]


@pytest.mark.parametrize(("file", "code"), INNOCENT, ids=[f"{f}: {c[:40]!r}" for f, c in INNOCENT])
def test_what_is_allowed_is_not_a_breach(house: Path, file: str, code: str) -> None:
    (house / file).write_text(code, encoding="utf-8")
    assert violations(house) == []


# ---- imports are a budget

LATE = {"torch", "numpy", "transformers", "accelerate", "pyarrow", "sklearn", "matplotlib", "ruamel", "PIL"}
HELPS = [("--help",), ("--version",), ("train", "--help"), ("config", "--help")]


def loaded(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules it has loaded."""
    ending = "\nimport sys; print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, check=True).stdout
    return set(out.splitlines()[-1].split()[1:])


def command(*arguments: str) -> str:
    call = "\ntry: main()\nexcept SystemExit as end: assert end.code == 0, end.code"
    return f"import sys; sys.argv = ['tithe', *{arguments!r}]; from tithe.cli import main{call}"


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_help_loads_no_heavy_library(arguments: tuple[str, ...]) -> None:
    assert loaded(command(*arguments)).isdisjoint(LATE)


def test_the_package_loads_nothing_until_it_is_touched() -> None:
    assert loaded("import tithe").isdisjoint(LATE)
    assert "pydantic" in loaded("import tithe; tithe.Run")


def test_a_config_is_shown_without_the_heavy_libraries(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("data: {path: rows.parquet}")
    found = loaded(command("config", "show", str(tmp_path / "run.yaml")))
    assert "pydantic" in found
    assert found.isdisjoint(LATE - {"ruamel"})


@pytest.mark.parametrize("level", [0, 1])
def test_the_lower_levels_load_no_torch(level: int) -> None:
    names = ", ".join(f"tithe.{name}" for name in sorted(LEVELS[level]))
    assert loaded(f"import {names}").isdisjoint(HEAVY)


@pytest.mark.parametrize("family", ["recipes", "readers"])
def test_recipes_and_readers_load_no_torch(family: str) -> None:
    code = f"from tithe import plugins\nfor name in plugins.names('{family}'): plugins.load('{family}', name)"
    found = loaded(code)
    assert found.isdisjoint(HEAVY)
    assert ("pyarrow" in found) is (family == "readers")
