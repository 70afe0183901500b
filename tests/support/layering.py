"""The rules of the architecture: the layering line of ARCHITECTURE.md, and a checker that reads syntax trees."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import tithe
from support.paths import ROOT
from tithe.plugins import FAMILIES

SOURCE = Path(tithe.__file__).parent
LINE = "errors console plugins progress"  # how the layering line begins
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
    "markupsafe": "report",
    "torch": "checkpoints",
    "safetensors": "checkpoints",
    "accelerate": "models",
    "transformers": "models",
    "sklearn": "estimator",
    "typer": "cli",
    "fastapi": "web",
    "starlette": "web",
    "uvicorn": "web",
    "prometheus_client": "serve",
}
# Heavy or optional packages: only inside functions, by the first room that may.
INSIDE = {
    "rich": "progress",
    "ruamel": "config",
    "sklearn": "metrics",
    "scipy": "metrics",
    "cv2": "imaging",
    "PIL": "imaging",
    "onnx": "fetch",
    "openvino": "fetch",
    "ncnn": "fetch",
    "safetensors": "fetch",
    "neptune": "track",
    "mlflow": "track",
    "clearml": "track",
    "trackio": "track",
    "wandb": "track",
    "torch": "track",
    "tokenizers": "models",
    "transformers": "cli",
    "ray": "engines",
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
        modules.append(parsed(str(path.relative_to(root).with_suffix("")), path.read_text(encoding="utf-8")))
    return modules


def parsed(path: str, text: str) -> Module:
    """Return a module of this text: its path is from the root, without suffix."""
    return Module(path, ast.parse(text), text.count("\n"))


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


def violations(modules: list[Module]) -> list[str]:
    """Return every breach of the rules among the modules of a source root, one line each."""
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
    """Functions have few parameters; those of the command line are its options, those of an estimator its settings."""
    if module.room in ("cli", "estimator"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            own = [name for name in names if name not in ("self", "cls")]
            if len(own) > PARAMETERS:
                yield f"{module.path}:{node.lineno} {node.name} has {len(own)} parameters: {PARAMETERS} at most"


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
