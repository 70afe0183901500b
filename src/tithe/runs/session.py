"""One run under way: trains, saves, stops when asked, and publishes what came out."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from tithe import config, data, metrics, storage
from tithe.checkpoints import epoch_files, locate, store
from tithe.checkpoints.keeper import Keeper
from tithe.checkpoints.state import TrainState
from tithe.data.splits import Splits
from tithe.errors import Interrupted
from tithe.interrupts import deferred
from tithe.models import inference
from tithe.models.examples import Examples
from tithe.models.network import Network
from tithe.progress import Tick, bar
from tithe.runs import resume
from tithe.runs.log import step_logger
from tithe.storage.run_files import HISTORY
from tithe.track.tracks import RunTracker, mirror_settings
from tithe.train import trainer

logger = logging.getLogger("tithe")
Saved = TypeVar("Saved")

# Waiting for data that is worth a warning: seconds, and as a share of the time of training.
_LONG_WAIT, _LARGE_SHARE = 10.0, 0.2


class Session:
    """One run under way: what it was given, and its best score so far."""

    def __init__(
        self,
        run: config.Run,
        home: Path,
        task: Any,
        splits: Splits,
        examples: Any,
        network: Network,
        accelerator: Accelerator,
        made_of: dict[str, Any],
        start: Path | None,
        begun: float,
    ) -> None:
        self.run, self.home, self.task, self.splits = run, home, task, splits
        self.network, self.model = network, network.learner
        self.accelerator, self.made_of, self.start_path = accelerator, made_of, start
        self.train, self.val, self.test = (examples.take(rows) for rows in (splits.train, splits.val, splits.test))
        self.plan = trainer.plan(self.train, run.train, run.seed)  # now: nothing is written yet, should rows be too few
        self.keeper = Keeper(home / run.checkpoint.dir, run.checkpoint.keep, self._assets)
        self.start = network.fitted(self._opened(start)) if start else None
        self.best: dict[str, Any] = {"score": None, "step": None, "epoch": None}
        self.waited, self.seconds_before, self.begun, self.prepared = 0, 0.0, begun, 0.0
        self.sums: dict[str, float] = {}
        self.idle = 0.0  # seconds of training in which it waited for its examples
        if self.start and start:
            self.keeper.adopt(start)
            self.best, self.waited = self.start.progress["best"], self.start.progress["waited"]
            self.seconds_before = self.start.progress["seconds"]
            self.idle = self.start.progress.get("idle", 0.0)  # files for people's own use hold none
            self.sums = dict(self.start.progress.get("sums", {}))

    def _opened(self, start: Path) -> TrainState:
        if not start.is_file():
            return store.load(start)
        best, patience = self.keeper.folder / locate.BEST, self.run.train.patience
        return resume.adapt_state(epoch_files.read(start), start, self.model.state_dict(), best, patience)

    def open_home(self) -> None:
        """Make the run directory and write into it what is known before training."""
        if not self.accelerator.is_main_process:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / storage.MANIFEST).unlink(missing_ok=True)  # it is the sign of a run that is finished
        if self.start_path:
            self._bring_history(self.start_path)
        storage.write_json(self.home / "config.json", config.dump(self.run))
        environment = {**storage.describe_environment(), "threads": torch.get_num_threads()}
        storage.write_json(self.home / "environment.json", environment)
        storage.write_json(self.home / "data_report.json", self.splits.report)
        shutil.copyfile(self.splits.dropped, self.home / "dropped.jsonl")
        self.splits.labels.save(self.home / "labels.json")
        with storage.atomic_folder(self.home / "assets") as aside:
            self.task.save(aside)
        if self.start and self.start_path and self.start_path.is_file():
            self._adopt_file(self.start)

    def _adopt_file(self, state: TrainState) -> None:
        """Keep the state of a single file as this run's own; what a run before it saved later is no part of it."""
        kept = [self.keeper.periodic(self._told(state, self.seconds_before))]
        kept += [self.keeper.folder / locate.BEST] if self.best["step"] else []
        for later in locate.all_in(self.keeper.folder):
            if later not in kept:
                shutil.rmtree(later)

    def _bring_history(self, start: Path) -> None:
        """A run that goes on in another directory takes its history along."""
        if start.is_file():
            storage.write_lines(self.home / HISTORY, resume.epoch_file_history(start))
            return
        for folder in (start.parent, start.parent.parent):
            old = folder / HISTORY
            if old.exists() and not (self.home / HISTORY).exists():
                shutil.copyfile(old, self.home / HISTORY)
                return

    def tracks(self) -> RunTracker:
        """Open history and mirrors, and tell them what is about to be trained."""
        mirrors = mirror_settings(self.run.track) if self.accelerator.is_main_process else {}
        home = self.home if self.accelerator.is_main_process else None
        tracks = RunTracker(mirrors, home, self.run.name, self.start.progress["step"] if self.start else 0)
        tracks.params(config.dump(self.run))
        return tracks

    def learn(self, tracks: RunTracker) -> float:
        """Train to the end; return the seconds it took, those before a resume included."""
        t, begun = self.run.train, time.monotonic()
        self.prepared = begun - self.begun
        if self.start and self._out_of_patience:
            # It had stopped early before it was interrupted: only its weights are put back.
            t = t.model_copy(update={"epochs": self.start.progress["epoch"]})
        total = self.plan.steps_per_epoch * t.epochs
        weights = (
            data.class_weights(self.train.labels, len(self.splits.labels)) if self.run.data.class_weights else None
        )
        steps = trainer.fit(
            self.model,
            self.task.criterion(t.label_smoothing, weights),
            self.train,
            t,
            self.run.seed,
            self.accelerator,
            self._validate,
            self.start,
            self.run.data.num_workers,
        )
        logger.info("training on %s: %d rows, %d steps", self.accelerator.device, len(self.train), total)
        for remark in self.task.remarks(total):
            logger.warning("%s", remark)
        if self.start and self.start_path:
            logger.info("going on after step %d of %d, from %s", self.start.progress["step"], total, self.start_path)
            if (done := self.start.progress["epoch"]) > t.epochs:
                logger.warning("%d epochs are done and %d are asked for: nothing is left to train", done, t.epochs)
            if self.start_path.is_dir():  # the run may have been killed before it wrote them
                self._epoch_files(self._told(self.start, self.seconds_before))
        batches = self.start.progress["batches"] if self.start else 0
        with deferred() as asked, bar("training", total, "steps") as tick:
            tick(self.start.progress["step"] if self.start else 0)
            try:
                for step in steps:
                    tick(1)
                    self.idle += step.waited
                    seconds = self.seconds_before + time.monotonic() - begun
                    self._log(tracks, step)
                    self._save(step, batches, seconds, last=step.step == total)
                    batches = step.batches
                    if signum := self._agree(asked.signum):
                        self._stop(step, seconds, signum)
                    if self._out_of_patience:
                        logger.info("no better %s for %d epochs: stopping early", self._by, self.waited)
                        break
                self._judge_waiting(self.seconds_before + time.monotonic() - begun)
            except trainer.Diverged as error:
                newest = self.keeper.newest()
                raise trainer.Diverged(f"{error}; last good checkpoint: {newest or 'none yet'}") from None
        return self.seconds_before + time.monotonic() - begun

    def _judge_waiting(self, seconds: float) -> None:
        if self.idle > max(_LONG_WAIT, _LARGE_SHARE * seconds):
            said = "%.0f of %.0f seconds went by waiting for data: raise data.num_workers (now %d)"
            logger.warning(said, self.idle, seconds, self.run.data.num_workers)

    @property
    def _by(self) -> str:
        return self.run.checkpoint.best_by

    @property
    def _out_of_patience(self) -> bool:
        return 0 < self.run.train.patience <= self.waited

    def _agree(self, signum: int) -> int:
        """Let all processes stop at the same step when one of them is asked to."""
        if self.accelerator.num_processes == 1:
            return signum
        return int(max(gather_object([signum])))

    def _stop(self, step: trainer.Step, seconds: float, signum: int) -> None:
        path = self._periodic(self._state(step, seconds))
        raise Interrupted(signum, f"stopped after step {step.step}: resume from {path}")

    def _log(self, tracks: RunTracker, step: trainer.Step) -> None:
        means = self._means(step)
        if step.step % self.run.train.log_every_steps == 0 or step.ends_epoch:
            lrs = {f"lr_{i}": lr for i, lr in enumerate(step.lr)}
            norm = {} if step.grad_norm is None else {"grad_norm": step.grad_norm}
            tracks.log("train", step.step, epoch=step.epoch, batch_loss=step.batch_loss, **lrs, **norm, **means)
            rates = ",".join(f"{lr:.3g}" for lr in dict.fromkeys(step.lr))
            gpu = self.accelerator.device.type == "cuda"
            memory = f" gpu_mem {torch.cuda.max_memory_allocated() / 2**20:.0f}MB" if gpu else ""
            step_logger.debug(
                "epoch %d step %d batch_loss %.4f lr %s opt_steps %d%s",
                *(step.epoch, step.batches, step.batch_loss, rates, step.step, memory),
            )
        if step.scores:
            tracks.log("val", step.step, epoch=step.epoch, **step.scores)
            shown = ", ".join(f"{name} {step.scores[name]:.4f}" for name in metrics.DIRECTION)
            logger.info("epoch %d of %d: validation %s", step.epoch, self.run.train.epochs, shown)

    def _means(self, step: trainer.Step) -> dict[str, float]:
        """At an epoch's end, its mean loss and what that was made of, where the criterion names it."""
        if not step.parts:
            return {}
        for name, value in {"total": step.batch_loss, **step.parts, "rows": 1.0}.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * step.rows
        if not step.ends_epoch:
            return {}
        sums, self.sums = self.sums, {}
        rows = sums.pop("rows")
        return {"learning_rate": step.lr[0], **{name: value / rows for name, value in sums.items()}}

    def _save(self, step: trainer.Step, batches_before: int, seconds: float, last: bool) -> None:
        if step.scores:
            score = step.scores[self._by]
            if metrics.better(self._by, score, self.best["score"]):
                self.best, self.waited = {"score": score, "step": step.step, "epoch": step.epoch}, 0
                self._on_main(lambda state: self.keeper.best(state), self._state(step, seconds))
            else:
                self.waited += 1
        every = self.run.checkpoint.every_batches
        due = step.ends_epoch if every is None else step.batches // every > batches_before // every
        if due or last or self._out_of_patience:
            self._periodic(self._state(step, seconds))
        if step.ends_epoch:
            self._epoch_files(self._state(step, seconds))

    def _epoch_files(self, state: TrainState) -> None:
        """Write the documented files of an epoch's end, where they are asked for."""
        epoch, every = int(state.progress["epoch"]), self.run.checkpoint.epoch_files
        if not every or state.progress["step_in_epoch"]:
            return
        numbered = epoch % every == 0 or epoch == self.run.train.epochs or self._out_of_patience
        is_best = self.best["step"] == state.progress["step"]
        history = storage.read_lines(self.home / HISTORY) if self.accelerator.is_main_process else []
        self._on_main(lambda state: epoch_files.write(self.home, state, numbered, is_best, history), state)

    def _periodic(self, state: TrainState) -> Path | None:
        return self._on_main(self.keeper.periodic, state)

    def _on_main(self, save: Callable[[TrainState], Saved], state: TrainState) -> Saved | None:
        path = save(state) if self.accelerator.is_main_process else None
        self.accelerator.wait_for_everyone()
        return path

    def _state(self, step: trainer.Step, seconds: float) -> TrainState:
        return self._told(step.snapshot(), seconds)

    def _told(self, state: TrainState, seconds: float) -> TrainState:
        """Complete a state with the story so far."""
        story = {
            "best": self.best,
            "waited": self.waited,
            "seconds": round(seconds, 3),
            "idle": round(self.idle, 3),
            "made_of": self.made_of,
            "config": config.dump(self.run),
            **({"sums": dict(self.sums)} if self.sums else {}),
        }
        return dataclasses.replace(state, progress={**state.progress, **story})

    def _assets(self, folder: Path) -> None:
        self.splits.labels.save(folder / "labels.json")
        for part in ("encoder", "tokenizer"):
            storage.link_tree(self.home / "assets" / part, folder / part)

    def _validate(self, model: nn.Module) -> dict[str, float]:
        scores: dict[str, float] = self.task.scores(self.val.labels, self.outputs(model, self.val))
        return scores

    def outputs(self, model: nn.Module, examples: Any, tick: Tick = lambda rows: None) -> inference.Array:
        """What the network gives for every row, shape (N, …); several processes share the rows."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        rows = np.arange(len(examples))
        mine: Examples = examples.take(rows[rank::world])
        autocast, at_once = self.accelerator.autocast, self.task.rows_at_once
        logits_NC = inference.logits(model, mine, at_once, autocast=autocast, tick=tick)
        if world > 1:
            parts, logits_NC = (
                gather_object([logits_NC]),
                np.empty((len(rows), logits_NC.shape[1]), np.float32),
            )
            for r, part in enumerate(parts):
                logits_NC[r::world] = part
        return logits_NC
