"""The architecture: which room may import which, read from the one line in ARCHITECTURE.md and from syntax trees."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import tithe
from support.paths import ROOT
from tithe.plugins import FAMILIES

SOURCE = Path(tithe.__file__).parent
LINE = "errors plugins progress"  # how the layering line begins
TORCH_FROM = "‖"

# Packages that may be imported at the top of a file, by the first room that may; inside functions, one room earlier
# than here is as forbidden as at the top.
TOP = {
    "pydantic": "config",
    "numpy": "arrays",
    "pyarrow": "data",
    "filelock": "fetch",
    "huggingface_hub": "fetch",
    "httpx2": "fetch",
    "matplotlib": "report",
    "jinja2": "report",
    "torch": "checkpoints",
    "safetensors": "checkpoints",
    "accelerate": "models",
    "transformers": "models",
    "typer": "cli",
}
# Heavy or optional packages: only inside functions, by the first room that may.
INSIDE = {
    "rich": "progress",
    "ruamel": "config",
    "sklearn": "metrics",
    "scipy": "metrics",
    "cv2": "imaging",
    "PIL": "imaging",
    "neptune": "track",
    "mlflow": "track",
    "clearml": "track",
    "torch": "track",
    "tokenizers": "models",
    "transformers": "cli",
    "optuna": "tune",
}
HEAVY = {"torch", "transformers", "accelerate"}
LINES, MODULES, PARAMETERS = 300, 15, 6
MODALITIES = {"text", "texts", "token", "tokens", "tokenizer", "image", "images", "pixel", "pixels"}
SEEDING = {"seed", "manual_seed", "manual_seed_all", "set_seed", "set_rng_state", "set_state"}
LEAVES = {folder.replace(".", "/"): family for family, folder in FAMILIES.items()}


def layering_line(text: str) -> list[str]:
    """Return the rooms in order, the mark where torch begins among them."""
    start = text.index(LINE)
    return text[start : text.index("\n\n", start)].split()


ORDER = layering_line((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
ROOMS = [name for name in ORDER if name != TORCH_FROM]
PLACE = {name: place for place, name in enumerate(ROOMS)}
FREE_OF_TORCH = ORDER[: ORDER.index(TORCH_FROM)]


class Import(NamedTuple):
    """One imported module: its dotted name, its line, and whether it is inside a function."""

    name: str
    line: int
    in_function: bool


class Module(NamedTuple):
    """One source file: its path from the root without suffix, its syntax tree, its number of lines."""

    path: str
    tree: ast.Module
    lines: int

    @property
    def room(self) -> str:
        return self.path.partition("/")[0]

    @property
    def leaf_of(self) -> str | None:
        folder, _, name = self.path.rpartition("/")
        return None if name in ("__init__", "protocol") else LEAVES.get(folder)


def read(root: Path) -> list[Module]:
    modules = []
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        modules.append(Module(str(path.relative_to(root).with_suffix("")), ast.parse(text), text.count("\n")))
    return modules


def imports(module: Module, known: set[str]) -> Iterator[Import]:
    """Yield every import, at the top and inside functions, `from package import module` resolved to the module."""
    inside = {
        child
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_for_types(node)
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


def _is_for_types(node: ast.AST) -> bool:
    """Say whether a block is only read by type checkers."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def violations(root: Path) -> list[str]:
    """Return every breach of the rules under a source root, one line each."""
    modules = read(root)
    known = {m.path.removesuffix("/__init__") for m in modules}
    breaches = [breach for module in modules for breach in _breaches(module, known)]
    return breaches + _full_folders(modules) + _circles(modules, known)


def _breaches(module: Module, known: set[str]) -> Iterator[str]:
    if module.room not in PLACE and module.room not in ("__init__", "__main__"):
        yield f"{module.path}: the room '{module.room}' is not in the layering line of ARCHITECTURE.md"
        return
    if "utils" in module.path.split("/"):
        yield f"{module.path}: no module is named utils"
    if module.lines > LINES:
        yield f"{module.path} has {module.lines} lines: {LINES} at most"
    for each in imports(module, known):
        if problem := _forbidden(module, each):
            yield f"{module.path}:{each.line} imports {each.name}: {problem}"
    yield from _parameters(module)
    yield from _seeding(module)
    yield from _modality(module)
    yield from _leaves_by_name(module)


def _forbidden(module: Module, each: Import) -> str:
    package = each.name.partition(".")[0]
    if each.name.startswith("."):
        return "imports are absolute"
    if package == "tithe":
        return _forbidden_inside(module, each.name.removeprefix("tithe").removeprefix("."))
    if package in sys.stdlib_module_names:
        return ""
    place = PLACE.get(module.room, len(ROOMS))
    if package in TOP and place >= PLACE[TOP[package]] and (module.room != "cli" or package == "typer"):
        return ""
    if package in INSIDE and place >= PLACE[INSIDE[package]]:
        return "" if each.in_function else "only inside functions"
    return f"not allowed in {module.room}"


def _forbidden_inside(module: Module, target: str) -> str:
    if not target:
        return "the package itself is above everything"
    folder, _, name = target.replace(".", "/").rpartition("/")
    if folder in LEAVES and name != "protocol":
        return "leaves are loaded by plugins.load alone"
    room = target.partition(".")[0]
    if room not in PLACE:
        return "no such module of this project"
    if PLACE[room] > PLACE.get(module.room, len(ROOMS)):
        return f"{room} comes after {module.room}"
    return ""


def _parameters(module: Module) -> Iterator[str]:
    """Functions have few parameters; those of the command line are its options."""
    if module.room == "cli":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            own = [name for name in names if name not in ("self", "cls")]
            if len(own) > PARAMETERS and not _overrides(module, node.name):
                yield f"{module.path}:{node.lineno} {node.name} has {len(own)} parameters: {PARAMETERS} at most"


def _overrides(module: Module, name: str) -> bool:
    """Say whether a function's signature is that of another library."""
    return (module.path, name) == ("models/kernels", "attention")  # transformers' attention interface


def _seeding(module: Module) -> Iterator[str]:
    """The global generators belong to the caller: only the stream sets them, or a block that puts them back."""
    if module.path == "train/random_stream":
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
    if module.path != "train/trainer":
        return
    for node in ast.walk(module.tree):
        for name in (getattr(node, field, None) for field in ("id", "attr", "arg", "name")):
            if isinstance(name, str) and MODALITIES & set(name.lower().split("_")):
                yield f"{module.path}:{getattr(node, 'lineno', 0)} speaks of '{name}': it knows no modality"


def _leaves_by_name(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for folder in LEAVES:
                if node.value.startswith(f"tithe.{folder.replace('/', '.')}."):
                    yield f"{module.path}:{node.lineno} names the leaf {node.value}"


def _full_folders(modules: list[Module]) -> list[str]:
    counts: dict[str, int] = {}
    for module in modules:
        folder, _, name = module.path.rpartition("/")
        counts[folder] = counts.get(folder, 0) + (name not in ("__init__", "__main__"))
    return [
        f"{folder or 'the top folder'} has {count} modules: {MODULES} at most"
        for folder, count in counts.items()
        if count > MODULES and folder not in LEAVES
    ]


def _circles(modules: list[Module], known: set[str]) -> list[str]:
    """Name the modules that import each other in a circle, wherever in the file the import is."""
    edges: dict[str, set[str]] = {}
    for module in modules:
        name = module.path.removesuffix("/__init__")
        targets = {i.name.removeprefix("tithe.").replace(".", "/") for i in imports(module, known)}
        edges[name] = targets & known - {name}
    while edges:
        free = [name for name, targets in edges.items() if not targets & edges.keys()]
        if not free:
            return [f"imports go in a circle among {', '.join(sorted(edges))}"]
        for name in free:
            del edges[name]
    return []


def test_the_architecture_holds() -> None:
    assert violations(SOURCE) == []


def test_every_room_is_in_the_layering_line() -> None:
    rooms = {module.room for module in read(SOURCE)} - {"__init__", "__main__"}
    planned = {"engines", "export", "serve", "board", "estimator"}
    assert rooms == PLACE.keys() - planned


def test_every_module_is_in_the_tree_of_the_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tree = text.split("```")[1]
    words = set(re.findall(r"\w+", tree)) | {"__init__", "__main__"}
    missing = [module.path for module in read(SOURCE) if module.path.rpartition("/")[2] not in words]
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


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """A source tree of empty files."""
    for module in read(SOURCE):
        path = tmp_path / f"{module.path}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert violations(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize(("file", "code", "says"), BREACHES, ids=[f"{f}: {c[:40]!r}" for f, c, _ in BREACHES])
def test_a_breach_is_found(rooms: Path, file: str, code: str, says: str) -> None:
    (rooms / file).parent.mkdir(exist_ok=True)
    (rooms / file).write_text(code, encoding="utf-8")
    breaches = violations(rooms)
    assert any(says in breach for breach in breaches), breaches


def test_a_circle_is_found(rooms: Path) -> None:
    (rooms / "data/labels.py").write_text("from tithe.data import splits")
    (rooms / "data/splits.py").write_text("def f():\n    from tithe.data.labels import LabelMap")
    assert any("data/labels, data/splits" in breach for breach in violations(rooms))


def test_a_full_folder_is_found(rooms: Path) -> None:
    for number in range(MODULES):
        (rooms / f"tune/file_{number}.py").touch()
    assert any(breach.startswith("tune has ") for breach in violations(rooms))


INNOCENT = [
    ("config/schema.py", "def f():\n    from ruamel.yaml import YAML"),
    ("metrics/classification.py", "def f():\n    from sklearn.metrics import f1_score"),
    ("metrics/classification.py", "rng = np.random.default_rng(0)"),
    ("train/loader.py", "generator = torch.Generator().manual_seed(0)"),
    ("models/encoders.py", "with torch.random.fork_rng(devices=[]):\n    torch.manual_seed(0)"),
    ("train/random_stream.py", "torch.manual_seed(0)"),
    ("train/trainer.py", "import contextlib\ncontext = contextlib.nullcontext()"),
    ("pipeline.py", "from tithe import config, data\nfrom tithe.data.text.clean import clean_text"),
    ("cli/main.py", "from tithe import __version__, pipeline"),
    ("cli/train.py", "def f(a, b, c, d, e, g, h): ..."),
]


@pytest.mark.parametrize(("file", "code"), INNOCENT, ids=[f"{f}: {c[:40]!r}" for f, c in INNOCENT])
def test_what_is_allowed_is_not_a_breach(rooms: Path, file: str, code: str) -> None:
    (rooms / file).write_text(code, encoding="utf-8")
    assert violations(rooms) == []


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


def test_the_rooms_before_the_mark_load_no_torch() -> None:
    paths = [m.path for m in read(SOURCE) if m.room in FREE_OF_TORCH and not m.leaf_of and m.path != "plugins"]
    names = ", ".join(f"tithe.{path.removesuffix('/__init__').replace('/', '.')}" for path in paths)
    assert loaded(f"import {names}").isdisjoint(HEAVY)


@pytest.mark.parametrize("family", ["formats", "readers"])
def test_formats_and_readers_load_no_torch(family: str) -> None:
    code = f"from tithe import plugins\nfor name in plugins.names('{family}'): plugins.load('{family}', name)"
    modules = loaded(code)
    assert modules.isdisjoint(HEAVY)
    assert ("pyarrow" in modules) is (family == "readers")
