"""What forbids a comparison of runs, or weakens it, each in one line with the runs it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tithe.compare.runs import RunFiles
from tithe.compare.significance import Difference
from tithe.compare.stability import Overfitting
from tithe.storage import freeze_proof

# From this rise of the validation loss after its minimum a run is said to overfit.
_RISE = 0.05


@dataclass(frozen=True)
class Note:
    """One caution: its kind, a stable word for programs; its text; the names of the runs it is about."""

    kind: str
    text: str
    runs: tuple[str, ...]

    def __str__(self) -> str:
        """One line for people."""
        return f"{', '.join(self.runs)}: {self.text}"


class Judged(NamedTuple):
    """A run, its settings that differ from the first run's, how it overfitted, and its difference to the first."""

    files: RunFiles
    differing: list[str]
    overfitting: Overfitting | None
    difference: Difference | None


def notes(runs: list[Judged]) -> list[Note]:
    """Return what to heed, the gravest first; runs of which the same is to be said share a note."""
    return [note for kind, look in _KINDS.items() for note in _shared(kind, look, runs)]


def _shared(kind: str, look: Callable[[Judged, Judged], Iterator[str]], runs: list[Judged]) -> list[Note]:
    names: dict[str, list[str]] = {}
    for run in runs:
        for text in look(runs[0], run):
            names.setdefault(text, []).append(run.files.name)
    return [Note(kind, text, tuple(about)) for text, about in names.items()]


def _unfinished(first: Judged, run: Judged) -> Iterator[str]:
    if run.files.metrics is None:
        done, asked = len(run.files.checks), run.files.config["train"]["epochs"]
        yield f"not finished ({done} of {asked} epochs done), so its scores are left out"


def _freeze(first: Judged, run: Judged) -> Iterator[str]:
    found, asked = run.files.proof, run.files.config["model"]["freeze"]
    if found is None:
        if asked != "none" and run.files.metrics is not None:
            yield f"model.freeze is {asked} and there is no freeze_proof.json: nothing shows that the encoder stayed"
    elif not freeze_proof.agrees(found, asked):
        yield "freeze_proof.json contradicts itself or the config: it was changed, and proves nothing"
    elif found["holds"] is False:
        yield f"model.freeze is {asked}, but {len(found['changed'])} frozen tensors changed"


def _data(first: Judged, run: Judged) -> Iterator[str]:
    if run.files.content != first.files.content:
        yield f"other data or classes than {first.files.name}: the scores are not comparable"


def _split(first: Judged, run: Judged) -> Iterator[str]:
    same_data = run.files.content == first.files.content  # else it goes without saying
    if same_data and run.files.data["splits"]["sha256"] != first.files.data["splits"]["sha256"]:
        yield f"other rows in validation or test than {first.files.name}: the scores are not comparable"


def _best_by(first: Judged, run: Judged) -> Iterator[str]:
    if run.files.score != first.files.score:
        yield (
            f"its best epoch was chosen by {run.files.score}, that of {first.files.name} by {first.files.score}: "
            f"their best_val_score and test_score are different things"
        )


def _factors(first: Judged, run: Judged) -> Iterator[str]:
    if len(run.differing) > 1:
        yield (
            f"{len(run.differing)} settings differ from {first.files.name} ({', '.join(run.differing)}): "
            f"can't tell which made the difference"
        )


def _seed(first: Judged, run: Judged) -> Iterator[str]:
    own, its = run.files.config["seed"], first.files.config["seed"]
    if own != its:
        yield f"other seed ({own}) than {first.files.name} ({its}): a part of any difference is luck"


def _machine(first: Judged, run: Judged) -> Iterator[str]:
    own, its = _surroundings(run.files), _surroundings(first.files)
    if other := [key for key in its if key in own and own[key] != its[key]]:
        yield f"other {', '.join(other)} than {first.files.name}: times and last bits are not comparable"


def _surroundings(run: RunFiles) -> dict[str, Any]:
    """What a run was computed with: whatever is on record of the machine, and what was decided on it."""
    training = run.metrics["training"] if run.metrics else {}
    decided = {key: training[key] for key in ("device", "processes", "precision") if key in training}
    machine = {key: value for key, value in run.environment.items() if key not in ("command", "packages")}
    return {**decided, **machine, **run.environment["packages"]}


def _overfitting(first: Judged, run: Judged) -> Iterator[str]:
    found = run.overfitting
    if found and found.rise > _RISE:
        epochs = f"epoch {found.best_epoch} of {len(run.files.checks)}"
        yield f"its validation loss rose by {100 * found.rise:.0f} % after {epochs}: it overfits from there on"


def _chance(first: Judged, run: Judged) -> Iterator[str]:
    found = run.difference
    if found and not found.beyond_chance:
        yield (
            f"no difference to {first.files.name} beyond chance: test {first.files.score} {found.value:+.4f}, "
            f"95 % interval {found.low:+.4f} to {found.high:+.4f}"
        )


def _unjudged(first: Judged, run: Judged) -> Iterator[str]:
    if run.files.metrics is not None and run.files.predictions is None:
        yield "no predictions of test rows, so a difference can't be told from chance"


# In the order in which they are shown.
_KINDS: dict[str, Callable[[Judged, Judged], Iterator[str]]] = {
    "unfinished": _unfinished,
    "freeze": _freeze,
    "data": _data,
    "split": _split,
    "best_by": _best_by,
    "factors": _factors,
    "seed": _seed,
    "machine": _machine,
    "overfitting": _overfitting,
    "chance": _chance,
    "unjudged": _unjudged,
}
