"""The one strict, frozen `Run`: every setting, its range, its meaning, and how files become it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from tithe import configfile, plugins
from tithe.errors import InputError
from tithe.vocabulary import explain_error, known_keys, required_keys

S = TypeVar("S", bound="Section")
Ratio = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Section(BaseModel):
    """A frozen part of a config: unknown keys and wrong types are errors, never guesses."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Data(Section):
    """Where the labelled rows are and how they are cleaned, split and balanced."""

    path: str = Field(description="data file")
    reader: str | None = Field(None, description="reader of the file; by its suffix when unset")
    text_column: str = Field("text", description="column of the inputs")
    label_column: str = Field("label", description="column of the classes, strings or numbers")
    label_mapping: str | None = Field(
        None, description="JSON file of {class: symbol}, for data whose labels were replaced by symbols"
    )
    val_ratio: Ratio = Field(0.1, gt=0, description="share of rows for validation")
    test_ratio: Ratio = Field(0.1, description="share of rows held out for the test; 0 for none")
    upsample: bool = Field(False, description="repeat training rows of small classes up to the largest")
    downsample: bool = Field(False, description="drop training rows of large classes down to the smallest")
    class_weights: bool = Field(False, description="weigh the training loss by inverse class frequency")
    num_workers: Count = Field(0, description="processes that collate batches ahead of training")

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Data:
        if self.val_ratio + self.test_ratio >= 1:
            raise ValueError("val_ratio + test_ratio must leave rows to train on (be below 1)")
        return self


class Model(Section):
    """The encoder and the head on top of it."""

    encoder: str = Field("minilm", description="'minilm' (carried by a package), a folder, or a hub name")
    pooling: Literal["auto", "cls", "mean"] = Field(
        "auto",
        description="how token states become one vector; auto: what the encoder says of itself, or mean",
    )
    head: Literal["linear", "mlp"] = Field("linear", description="classifier on the pooled vector")
    hidden_dim: Positive = Field(256, description="width of the mlp head")
    dropout: Ratio = Field(0.1, description="dropout before the head's layers")
    max_length: Positive = Field(256, description="tokens kept of each text")
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        "auto", description="attention implementation; auto lets the encoder choose"
    )
    freeze: Literal["none", "all"] | Positive = Field(
        "none", description="what of the encoder stays as it is: none, all, or its embeddings and first N layers"
    )


class Select(Section):
    """Which training rows are used: a part of them, chosen by a strategy."""

    strategy: str = Field("random", description="file name in strategies/; 'all' takes every row")
    budget: float = Field(0.1, gt=0, le=1, description="share of the training rows")
    balance: Literal["stratified", "uniform", "none"] = Field(
        "stratified", description="how the budget is shared among classes: by their size, equally, or not at all"
    )
    floor: Count = Field(1, description="rows that each class gets before anything is scored")
    seed: Seed | None = Field(None, description="of the strategy's random draws; the run's seed when unset")
    folds: Annotated[int, Field(ge=2)] = Field(5, description="parts for signals from models that did not see the row")
    proxy_runs: Positive = Field(10, description="short proxy runs whose errors are averaged")
    language_model: str | None = Field(
        None, description="causal model (folder or .gguf) for perplexity and ifd; an own n-gram model when unset"
    )
    rounds: Positive = Field(1, description="parts of the budget; a model trained on the rows so far scores the next")
    first: str = Field("random", description="strategy of the first of several rounds, when there is no model yet")
    options: dict[str, Any] = Field({}, description="the strategy's own settings, named in its file")


class Train(Section):
    """How long and how the weights move."""

    epochs: Positive = Field(3, description="passes over the training rows")
    batch_size: Positive = Field(16, description="rows in memory at once")
    accumulation_steps: Positive = Field(1, description="batches per optimizer step; exact to the full batch")
    learning_rate: float = Field(5e-5, gt=0, description="peak learning rate of AdamW")
    encoder_learning_rate: float | None = Field(
        None, gt=0, description="peak learning rate of the encoder; learning_rate when unset"
    )
    weight_decay: float = Field(0.01, ge=0, description="decay of matrices; biases and norms have none")
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="decay after the warmup")
    warmup_steps: Count = Field(0, description="optimizer steps from 0 to the peak")
    schedule_steps: Positive | None = Field(
        None, description="optimizer steps until the schedule's end; all steps of the epochs when unset"
    )
    num_cycles: float = Field(0.5, gt=0, description="waves of the cosine; 0.5 falls once from peak to zero")
    precision: Literal["auto", "no", "bf16", "fp16"] = Field(
        "auto", description="automatic mixed precision; auto: bf16 where the device computes it natively"
    )
    clip_norm: float = Field(1.0, ge=0, description="largest gradient norm; 0 for no clipping")
    label_smoothing: Ratio = Field(0.0, description="share of the target spread over all classes")
    ema_decay: Ratio = Field(0.0, description="moving average of the weights, used for evaluation; 0 for none")
    patience: Count = Field(0, description="validations without a better score before stopping; 0: never")
    group_by_length: bool = Field(True, description="batches of similar length: less padding, same rows")
    log_every_steps: Positive = Field(5, description="optimizer steps between two log lines")
    cache_features: bool = Field(True, description="let a frozen encoder run once over the data, and keep the result")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to train")


class Checkpoint(Section):
    """When the state is saved, what is kept, and where a run goes on."""

    dir: str = Field("checkpoints", description="folder of the checkpoints, inside the run directory")
    every_batches: Positive | None = Field(None, description="batches between two saves; each epoch when unset")
    keep: Positive = Field(2, description="periodic checkpoints kept; the best is kept besides")
    best_by: Literal["loss", "accuracy", "f1"] = Field("f1", description="validation score of the best one")
    resume: str | None = Field(
        None, description="checkpoint, or folder of checkpoints, to go on from; 'auto': this run's, if any"
    )
    single_files: bool = Field(
        False,
        description="also write best_model.pt, final_model.pt, classifier_head.pt, label_to_id.json, id_to_label.json",
    )


class Neptune(Section):
    """The offline Neptune record (the hosted service closed on 5 March 2026)."""

    project: str | None = Field(None, description="workspace/project")
    api_token: SecretStr | None = Field(None, description="never stored, never logged")
    experiment_name: str | None = Field(None, description="name of the run")
    run_id: str | None = Field(None, description="id of the run to continue")
    tags: Annotated[tuple[str, ...], Field(strict=False)] = Field((), description="labels of the run")
    dependencies_path: str | None = Field(None, description="requirements file to upload")
    env_path: str | None = Field(None, description="environment file to upload, its secrets masked")


class Track(Section):
    """Mirrors of the history; the local JSONL file is always written."""

    tensorboard: bool = Field(True, description="write TensorBoard event files")
    neptune: Neptune | None = Field(None, description="write a Neptune offline record")


class Run(Section):
    """One training run, whole."""

    name: str = Field("run", pattern=r"^[\w.\-]+$", description="name of the run and of its directory")
    task: str = Field("text", description="what the inputs are")
    seed: Seed = Field(0, description="seeds the split, the head, the order of batches and dropout")
    out: str | None = Field(
        None, description="run directory; {time} in it becomes the time of the start; runs/NAME-{time} when unset"
    )
    data: Data
    model: Model = Model()
    select: Select | None = Field(None, description="train on a part of the training rows")
    train: Train = Train()
    checkpoint: Checkpoint = Checkpoint()
    track: Track = Track()


def load(path: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Read a YAML or JSON file, native or of any documented recipe, into a `Run`.

    Parameters
    ----------
    path
        The file. `${NAME}` in its values is taken from the environment, then from `.env` beside the
        file or in the current folder; `${NAME:-text}` has a default.
    overrides
        `a.b=c` settings in the file's own vocabulary or the native one; values are YAML.

    Raises
    ------
    InputError
        Anything that is not exactly right, in one line.
    """
    path = Path(path)
    written, raw = configfile.read(path)
    return parse(raw, overrides, path.name, written, path)


def parse(
    raw: Mapping[str, Any],
    overrides: Sequence[str] = (),
    source: str = "config",
    written: Mapping[str, Any] | None = None,
    file: Path = Path("config"),
) -> Run:
    """Turn a mapping in any known vocabulary into a `Run`; see `load`.

    `written` is the mapping before variables were filled in: errors show `${NAME}`, never its value. `file` is
    where they stand: a documented format may count its paths, and take the run's name, from there.
    """
    recipe = recognise(raw)
    settings = [configfile.override(text) for text in overrides]
    values: dict[str, Any] = json.loads(json.dumps(raw, default=str))  # a copy that --set may change
    if recipe:
        module = plugins.load("recipes", recipe)
        documented, native = known_keys(module.Config), known_keys(Run)
        # A key that neither vocabulary knows belongs to the file's own, where the error can name the right one.
        own = [
            (key, value)
            for key, value in settings
            if key in documented or (key not in native and key.partition(".")[0] in module.Config.model_fields)
        ]
        for key, value in own:
            _assign(values, key, value)
        values = module.translate(_validate(module.Config, values, source, written or {}), file)
        settings = [pair for pair in settings if pair not in own]
    for key, value in settings:
        _assign(values, key, value)
    where = source if not settings else f"{source} and --set"
    return cast(Run, _validate(Run, values, where, {} if recipe else written or {}))


def recognise(raw: Mapping[str, Any]) -> str | None:
    """Return the recipe in whose vocabulary a config is written, None for the native one."""
    present = set(_flatten(raw))

    def score(model: type[BaseModel]) -> tuple[bool, int]:
        known = known_keys(model)
        return required_keys(model) <= present, sum(key in known for key in present)

    scores = {name: score(plugins.load("recipes", name).Config) for name in plugins.names("recipes")}
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best and scores[best] > score(Run) else None


def section(model: type[S], raw: Mapping[str, Any], source: str) -> S:
    """Check the values of one section.

    Raises
    ------
    InputError
        Anything that is not exactly right, in one line.
    """
    return cast(S, _validate(model, raw, source, {}))


def dump(run: Run) -> dict[str, Any]:
    """Return the resolved config as plain values, secrets masked."""
    return run.model_dump(mode="json")


def _assign(raw: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        below = raw.get(parent)
        raw[parent] = dict(below) if isinstance(below, dict) else {}
        raw = raw[parent]
    raw[last] = value


def _flatten(raw: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in raw.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")


def _validate(model: type[BaseModel], raw: Mapping[str, Any], source: str, written: Mapping[str, Any]) -> BaseModel:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first, *more = error.errors(include_url=False)
        rest = f" (and {len(more)} more)" if more else ""
        raise InputError(explain_error(model, cast(dict[str, Any], first), source, written) + rest) from None
