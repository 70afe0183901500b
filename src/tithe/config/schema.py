"""Every setting of a run, with its type, range and meaning."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator

from tithe.config.cluster import Cluster
from tithe.config.data import Data
from tithe.config.images import Images
from tithe.config.model import Model
from tithe.config.select import Select
from tithe.config.values import Betas, Choices, Count, Decay, PathStr, Positive, Range, Ratio, RatioRange, Section, Seed
from tithe.storage import freeze_proof, run_files


class Tune(Section):
    """A search for settings before the run, on a part of its training rows; it does not use the validation rows."""

    trials: Positive = Field(25, description="number of trials")
    sample: float = Field(0.15, gt=0, le=1, description="share of the training rows that the search uses")
    epochs: Positive = Field(2, description="epochs of each trial")
    metric: Literal["val_loss", "val_accuracy"] = Field("val_loss", description="metric that decides the best trial")
    sampler: Literal["random", "tpe"] = Field("random", description="Optuna sampler of the values")
    prune: bool = Field(False, description="stop a trial that is worse than the median of earlier ones")
    dropout: RatioRange = Field((0.1, 0.5), description="smallest and largest dropout")
    dropout_of: Literal["head", "model"] = Field(
        "head", description="what a drawn dropout is of: the head, or the whole model, the encoder included"
    )
    learning_rate: Range = Field((1e-5, 1e-4), description="smallest and largest learning rate, drawn on a log scale")
    encoder_learning_rate: Range | None = Field(
        None, description="range of a separate learning rate for the encoder; the head's rate when unset"
    )
    weight_decay: Choices[Decay] = Field((0.0, 0.01, 0.1), description="decays to choose from")
    betas: Choices[Betas] = Field(
        ((0.9, 0.999), (0.95, 0.999), (0.9, 0.99)), description="AdamW's betas to choose from"
    )


class Train(Section):
    """Training: epochs, batches, optimizer, schedule, precision."""

    epochs: Positive = Field(3, description="passes over the training rows")
    steps_of: Literal["selected", "all"] = Field(
        "selected",
        description="training rows that the epochs of a run with a selection count; all: it takes as many optimizer "
        "steps as a run on all rows, in more passes over the selected ones",
    )
    batch_size: Positive = Field(16, description="rows per micro-batch")
    accumulation_steps: Positive = Field(1, description="batches per optimizer step; exact to the full batch")
    learning_rate: float = Field(5e-5, gt=0, description="peak learning rate of AdamW")
    encoder_learning_rate: float | None = Field(
        None, gt=0, description="peak learning rate of the encoder; learning_rate when unset"
    )
    weight_decay: float = Field(0.01, ge=0, description="decay of matrices; biases and norms have none")
    betas: Betas = Field((0.9, 0.999), description="AdamW's decay of its averages of gradient and squared gradient")
    optimizer_state: Literal["float32", "bf16"] = Field(
        "float32", description="precision of these averages for matrices; bf16, rounded at random: half their memory"
    )
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="decay after the warmup")
    warmup_steps: Count = Field(0, description="optimizer steps from 0 to the peak")
    warmup_epochs: Count = Field(0, description="the same in epochs; used if warmup_steps is 0")
    min_learning_rate: float = Field(0.0, ge=0, description="learning rate at the end of the cosine")
    schedule_steps: Positive | None = Field(
        None, description="optimizer steps until the end of the schedule; all steps of the run when unset"
    )
    schedule_epochs: Positive | None = Field(None, description="the same in epochs; used if schedule_steps is unset")
    schedule_from: Count = Field(0, description="epochs before the start of the schedule, warmup included")
    num_cycles: float = Field(0.5, gt=0, description="waves of the cosine; 0.5 falls once from peak to zero")
    precision: Literal["auto", "no", "bf16", "fp16"] = Field(
        "auto", description="automatic mixed precision; auto: bf16 where the device computes it natively"
    )
    clip_norm: float = Field(1.0, ge=0, description="largest gradient norm; 0 for no clipping")
    label_smoothing: Ratio = Field(0.0, description="share of the target spread over all classes")
    ema_decay: Ratio = Field(0.0, description="moving average of the weights, used for evaluation; 0 for none")
    validate_every: Positive = Field(1, description="epochs between validations; the last epoch always has one")
    drop_last: bool = Field(False, description="skip an epoch's last step if it has fewer rows")
    careful_scaling: bool = Field(False, description="start fp16's loss scale at 128 and let it grow slowly")
    patience: Count = Field(0, description="validations without a better score before stopping; 0: never")
    group_by_length: bool = Field(True, description="batches of similar length: less padding, same rows")
    log_every_steps: Positive = Field(5, description="optimizer steps between two log lines")
    checkpoint_activations: bool = Field(
        False, description="compute the encoder's layers again in the backward pass: less memory, more time"
    )
    cache_features: bool = Field(True, description="run a frozen encoder over the data once, and cache its features")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to train")


class Checkpoint(Section):
    """When checkpoints are saved, which are kept, and where a run resumes."""

    dir: PathStr = Field(run_files.CHECKPOINTS, description="folder of the checkpoints, inside the run directory")
    every_batches: Positive | None = Field(None, description="batches between checkpoints; once per epoch when unset")
    keep: Positive = Field(2, description="periodic checkpoints to keep, in addition to the best one")
    best_by: Literal["loss", "accuracy", "f1"] = Field("f1", description="validation score of the best one")
    resume: PathStr | None = Field(
        None, description="checkpoint, or folder of checkpoints, to resume from; 'auto': this run's, if any"
    )
    epoch_files: Count = Field(
        0,
        description="also write latest_model.pt, best_model.pt, and checkpoint_epoch_N.pt at this interval; 0 for none",
    )
    reset_lr: bool = Field(
        False, description="when resuming from such a file: use this config's learning rate instead of the file's"
    )
    reset_schedule: bool = Field(
        False, description="when resuming from such a file: restart the schedule, warmup included"
    )
    single_files: bool = Field(
        False,
        description="also write best_model.pt, final_model.pt, classifier_head.pt, label_to_id.json, id_to_label.json",
    )

    @model_validator(mode="after")
    def _one_writer_for_a_file(self) -> Checkpoint:
        if self.single_files and self.epoch_files:
            raise ValueError(
                f"checkpoint.single_files and checkpoint.epoch_files both write {run_files.BEST}: set only one of them"
            )
        return self


class Neptune(Section):
    """The offline Neptune record (the hosted service closed on 5 March 2026)."""

    project: str | None = Field(None, description="workspace/project")
    api_token: SecretStr | None = Field(None, description="never stored, never logged")
    experiment_name: str | None = Field(None, description="name of the run")
    run_id: str | None = Field(None, description="id of the run to continue")
    tags: Annotated[tuple[str, ...], Field(strict=False)] = Field((), description="tags of the run")
    dependencies_path: PathStr | None = Field(None, description="requirements file to upload")
    env_path: PathStr | None = Field(None, description="environment file to upload, its secrets masked")


class MLflow(Section):
    """A run on an MLflow server."""

    tracking_uri: str | None = Field(None, description="address of the server; MLFLOW_TRACKING_URI when unset")
    experiment: str = Field("tithe", description="experiment that the run belongs to")
    run_name: str | None = Field(None, description="name of the run; that of the config when unset")
    tags: Annotated[tuple[str, ...], Field(strict=False)] = Field((), description="tags of the run")


class ClearML(Section):
    """A ClearML task; an offline archive if no keys are set."""

    project: str = Field("tithe", description="project that the task belongs to")
    task_name: str | None = Field(None, description="name of the task; that of the config when unset")
    tags: Annotated[tuple[str, ...], Field(strict=False)] = Field((), description="tags of the task")


class Trackio(Section):
    """A run in a Trackio database."""

    project: str = Field("tithe", description="project that the run belongs to")
    folder: PathStr = Field(
        run_files.TRACKIO, description="of the database: one in the run directory, or the full path of another"
    )
    run_name: str | None = Field(None, description="name of the run; that of the config when unset")


class Wandb(Section):
    """An offline record for Weights & Biases."""

    project: str = Field("tithe", description="project that the run belongs to")
    run_name: str | None = Field(None, description="name of the run; that of the config when unset")
    tags: Annotated[tuple[str, ...], Field(strict=False)] = Field((), description="tags of the run")


class Track(Section):
    """Mirrors of the history; the local JSONL file is always written."""

    tensorboard: bool = Field(True, description="write TensorBoard event files")
    tensorboard_dir: PathStr = Field(
        run_files.TENSORBOARD, description="their folder: one in the run directory, or the full path of another"
    )
    neptune: Neptune | None = Field(None, description="write a Neptune offline record")
    mlflow: MLflow | None = Field(None, description="log to an MLflow server")
    clearml: ClearML | None = Field(None, description="log to ClearML, or write its offline archive")
    trackio: Trackio | None = Field(None, description="log to a Trackio database")
    wandb: Wandb | None = Field(None, description="write an offline record for Weights & Biases")
    plugins: dict[str, dict[str, Any]] = Field(
        {}, description="settings of trackers from other packages, by name; config.json shows them: no secrets here"
    )

    @model_validator(mode="after")
    def _own_have_sections(self) -> Track:
        if own := self.plugins.keys() & type(self).model_fields.keys():
            raise ValueError(f"plugins.{min(own)} is a tracker of tithe: set track.{min(own)}")
        return self


class Run(Section):
    """All settings of one training run."""

    name: str = Field("run", pattern=r"^[\w.\-]+$", description="name of the run and of its directory")
    task: str = Field("text", description="kind of the inputs")
    seed: Seed = Field(0, description="seed of the split, the head, the order of batches and dropout")
    out: PathStr | None = Field(
        None, description="run directory; {time} in it becomes the start time; runs/NAME-{time} when unset"
    )
    data: Data
    model: Model = Model()
    images: Images = Images()
    select: Select | None = Field(None, description="train on a part of the training rows")
    train: Train = Train()
    checkpoint: Checkpoint = Checkpoint()
    track: Track = Track()
    tune: Tune | None = Field(None, description="search for better settings first")
    engine: Literal["local", "ray"] = Field(
        "local",
        description="where features of a frozen encoder, and trials of a suite or a search, are computed; with ray, an "
        "encoder is trained by `cluster.num_workers` processes, which share each batch",
    )
    cluster: Cluster = Cluster()

    @property
    def encoder(self) -> str:
        """The pretrained encoder, as the setting for these inputs names it."""
        return self.images.encoder if self.task == "image" else self.model.encoder

    @property
    def trains_a_head(self) -> bool:
        """Whether all that is trained is a head on the cached features of a frozen encoder."""
        return self.frozen == "all" and self.train.cache_features

    @property
    def frozen(self) -> str | int:
        """What is frozen of the encoder: `none`, `all`, a number of layers, or `lora`, which is all beside adapters."""
        return freeze_proof.asked(self.model_dump())

    @model_validator(mode="after")
    def _whole_epochs_in_files(self) -> Run:
        if self.select and self.train.steps_of == "all" and self.checkpoint.epoch_files:
            raise ValueError(
                "train.steps_of all ends within a pass over the selected rows, and checkpoint.epoch_files are of whole "
                "ones: set only one of them"
            )
        return self

    @model_validator(mode="after")
    def _one_writer_for_a_folder(self) -> Run:
        """Check that the configured folders differ from each other and from the other files of a run."""
        checkpoints, events = PurePath(self.checkpoint.dir), PurePath(self.track.tensorboard_dir)
        for key, folder in (("checkpoint.dir", checkpoints), ("track.tensorboard_dir", events)):
            if folder.parts and folder.parts[0] in {*run_files.FILES, run_files.LOCK} - {run_files.TENSORBOARD}:
                raise ValueError(f"{key} '{folder}' is a name that a run uses for other files: choose another name")
        if checkpoints.parts and checkpoints == events:
            raise ValueError(f"checkpoint.dir and track.tensorboard_dir are both '{events}': choose two names")
        return self


# What a run decides itself, and the settings that may leave it to the run, by section; `config.json` has the decisions.
AUTO = "auto"
AUTOMATIC = {"model": ("pooling", "attention"), "train": ("precision", "device")}
# The settings that a search decides, by section; micro-batches may change, the size of the optimizer batch does not.
_OPTIMIZER = ("learning_rate", "encoder_learning_rate", "weight_decay", "betas")
SEARCHED = {"model": ("dropout", "encoder_dropout"), "train": (*_OPTIMIZER, "batch_size", "accumulation_steps")}
