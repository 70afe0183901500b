"""Cautions about a comparison of runs: what invalidates or weakens it, one line each, with the runs concerned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tithe.compare import controls, effort
from tithe.compare.effort import Effort
from tithe.compare.runs import RunFiles
from tithe.compare.significance import Difference
from tithe.compare.stability import Overfitting
from tithe.report.words import Phrase, in_english, say
from tithe.storage import freeze_proof

# A rise of the validation loss above this share of its minimum counts as overfitting.
_OVERFITTING_RISE = 0.05
_EPOCHS = "train.epochs"


@dataclass(frozen=True)
class Note:
    """One caution: its kind, a stable word for programs; what it says; the names of the runs concerned."""

    kind: str
    says: Phrase
    runs: tuple[str, ...]

    @property
    def text(self) -> str:
        """What it says, for programs and terminals."""
        return in_english(self.says)

    def __str__(self) -> str:
        """Return the caution as one readable line."""
        return f"{', '.join(self.runs)}: {self.text}"


class RunFacts(NamedTuple):
    """A run with what is said of it, and all runs that are compared.

    Attributes
    ----------
    differing
        Its settings that differ from the first run's.
    difference
        Its test score minus the first run's.
    """

    files: RunFiles
    differing: list[str]
    effort: Effort
    overfitting: Overfitting | None
    difference: Difference | None
    runs: Sequence[RunFiles]

    @property
    def is_finished(self) -> bool:
        """Whether it has scores."""
        return self.files.metrics is not None


# Takes the first run and the run that a caution is about.
Check = Callable[[RunFacts, RunFacts], Iterator[Phrase]]


def notes(runs: list[RunFacts]) -> list[Note]:
    """Return all cautions, the most serious first; runs with the same caution share a note."""
    return [note for kind, check in _KINDS.items() for note in _grouped(kind, check, runs)]


def _grouped(kind: str, check: Check, runs: list[RunFacts]) -> list[Note]:
    phrases: dict[str, Phrase] = {}
    names: dict[str, list[str]] = {}
    for run in runs:
        for says in check(runs[0], run):
            phrases.setdefault(in_english(says), says)
            names.setdefault(in_english(says), []).append(run.files.name)
    return [Note(kind, phrases[text], tuple(concerned)) for text, concerned in names.items()]


def _unfinished(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    if run.files.metrics is None:
        done = run.effort
        yield say(
            "not finished ({epochs} of {planned} epochs done), so its scores are left out",
            epochs=done.epochs,
            planned=done.planned,
        )


def _freeze(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    proof, freeze = run.files.proof, freeze_proof.asked(run.files.config)
    if proof is None:
        if freeze != "none" and run.files.metrics is not None:
            yield say("freeze is {freeze} but there is no freeze_proof.json: it is unproven", freeze=freeze)
    elif not freeze_proof.agrees(proof, freeze):
        yield say("freeze_proof.json contradicts itself or the config: it was changed, and proves nothing")
    elif proof["holds"] is False:
        yield say(
            "freeze is {freeze}, but {count} frozen {count:tensor|tensors} changed",
            freeze=freeze,
            count=len(proof["changed"]),
        )


def _data(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    if run.files.content != first.files.content:
        yield say("different data or classes than {first}: the scores are not comparable", first=first.files.name)


def _split(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    if _same_data(first, run) and run.files.data["splits"]["sha256"] != first.files.data["splits"]["sha256"]:
        yield say(
            "different rows in validation or test than {first}: the scores are not comparable", first=first.files.name
        )


def _same_data(first: RunFacts, run: RunFacts) -> bool:
    """Say whether the data are the same; if not, the caution about data covers all that follows from it."""
    return run.files.content == first.files.content


def _best_by(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    if run.files.score != first.files.score:
        yield say(
            "its best epoch was chosen by {score}, that of {first} by {other}: best_val_score and test_score are not "
            "comparable",
            score=run.files.score,
            first=first.files.name,
            other=first.files.score,
        )


def _of_finished(differ: Callable[[str, Effort, Effort], Iterator[Phrase]]) -> Check:
    """Return the check of what two finished runs on the same data did; others are not compared by their scores."""

    def check(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
        if first.is_finished and run.is_finished and _same_data(first, run):
            yield from differ(first.files.name, first.effort, run.effort)

    return check


def _beside(lacks: Callable[[RunFiles, Sequence[RunFiles]], Iterator[Phrase]]) -> Check:
    """Return the check of what a finished run has beside it."""

    def check(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
        if run.is_finished:
            yield from lacks(run.files, run.runs)

    return check


def _factors(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    differing = [key for key in run.differing if not (key == _EPOCHS and _evens_out(first, run))]
    if len(differing) > 1:
        yield say(
            "{count} settings differ from {first} ({names}): the effect can't be attributed to one of them",
            count=len(differing),
            first=first.files.name,
            names=", ".join(differing),
        )


def _evens_out(first: RunFacts, run: RunFacts) -> bool:
    """Say whether other epochs give as many steps on fewer or more rows: they make the runs comparable."""
    rows, first_rows = (facts.files.data["splits"]["train_after_balancing"] for facts in (run, first))
    return bool(rows != first_rows and run.effort.steps == first.effort.steps)


def _seed(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    seed, first_seed = run.files.config["seed"], first.files.config["seed"]
    if seed != first_seed:
        yield say(
            "different seed ({seed}) than {first} ({other}): part of any difference is chance",
            seed=seed,
            first=first.files.name,
            other=first_seed,
        )


def _machine(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    machine, baseline = _environment(run.files), _environment(first.files)
    if keys := [key for key in baseline if key in machine and machine[key] != baseline[key]]:
        yield say(
            "different {keys} than {first}: times and last digits are not comparable",
            keys=", ".join(keys),
            first=first.files.name,
        )


def _environment(run: RunFiles) -> dict[str, Any]:
    """Return what a run was computed with: the recorded environment, and device and precision of its training."""
    training = run.metrics["training"] if run.metrics else {}
    device = {key: training[key] for key in ("device", "processes", "precision") if key in training}
    machine = {key: value for key, value in run.environment.items() if key not in ("command", "packages")}
    return {**device, **machine, **run.environment["packages"]}


def _overfitting(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    overfitting = run.overfitting
    if overfitting and overfitting.rise > _OVERFITTING_RISE:
        best, last = run.files.checks[overfitting.best_epoch - 1], run.files.checks[-1]
        yield say(
            "its validation loss rose by {rise:.0f} % after epoch {best} of {last}: it overfits from there on",
            rise=100 * overfitting.rise,
            best=best["epoch"],
            last=last["epoch"],
        )


def _chance(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    difference = run.difference
    if difference and difference.value and difference.too_few:
        yield say(
            "no difference to {first} beyond chance: test {score} {value:+.4f} comes from {differing} "
            "{differing:row|rows} of the test, too few to tell",
            first=first.files.name,
            score=first.files.resampled_score,
            value=difference.value,
            differing=difference.differing,
        )
    elif difference and not difference.beyond_chance:
        yield say(
            "no difference to {first} beyond chance: test {score} {value:+.4f}, 95 % interval {low:+.4f} to "
            "{high:+.4f}",
            first=first.files.name,
            score=first.files.resampled_score,
            **difference._asdict(),
        )


def _unjudged(first: RunFacts, run: RunFacts) -> Iterator[Phrase]:
    if run.files.metrics is not None and run.files.predictions is None:
        yield say("no predictions of test rows, so it is unknown whether a difference is beyond chance")


# In display order.
_KINDS: dict[str, Check] = {
    "unfinished": _unfinished,
    "freeze": _freeze,
    "data": _data,
    "split": _split,
    "best_by": _best_by,
    "steps": _of_finished(effort.steps_differ),
    "rows": _of_finished(effort.rows_differ),
    "early_stopping": _of_finished(effort.early_stops_differ),
    "texts_cut": _of_finished(effort.cuts_differ),
    "random": _beside(controls.lacks_random),
    "all": _beside(controls.lacks_all),
    "factors": _factors,
    "seed": _seed,
    "machine": _machine,
    "overfitting": _overfitting,
    "chance": _chance,
    "unjudged": _unjudged,
}
