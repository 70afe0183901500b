"""Training with several processes that share each batch, against one process: rows per second on one machine's cores.

Each way is a process, or several started by torchrun, that takes some optimizer steps of 16 rows of `reviews` with
MiniLM in full fine-tuning. Two processes with a thread each have as many cores as one with two threads; what they
lose to it is the exchange of the gradients, of which the line without it says how much the backward pass hides.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator

import torch
from common import dataset, publish, stamp
from finetune_vs_hf_trainer import Bench

from tithe.cli.options import quiet_libraries
from tithe.train import devices, trainer
from tithe.train.trainer import FitOptions

_WARM = 6
# Processes, threads of each, and whether they exchange their gradients.
WAYS = {
    "one process, one thread": (1, 1, True),
    "one process, two threads": (1, 2, True),
    "two processes, a thread each": (2, 1, True),
    "the same without exchanging gradients": (2, 1, False),
}


def main() -> None:
    """Measure every way in turn, several times; or be one of their processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--part", choices=("exchange", "alone"), help="only train, and print the seconds")
    asked = parser.parse_args()
    if asked.part:
        train(asked.steps, asked.batch_size, asked.part == "exchange")
        return
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(asked.repeats):
        for way, how in WAYS.items():
            seconds[way].append(measured(asked.steps, asked.batch_size, *how))
            print(way, seconds[way][-1], flush=True)
    medians = {way: statistics.median(each) for way, each in seconds.items()}
    base, rows = medians["one process, two threads"], asked.steps * asked.batch_size
    page = [
        "# Two processes that share each batch, CPU",
        *("", stamp(), ""),
        f"{asked.steps} optimizer steps of {asked.batch_size} rows of `reviews`, MiniLM, full fine-tuning; medians of "
        f"{asked.repeats} rounds.",
        *("", "| | ms a step | rows/s | rows/s to one process with two threads |", "|---|---|---|---|"),
        *(
            f"| {way} | {each / asked.steps * 1e3:.0f} | {rows / each:.0f} | {base / each:.2f} |"
            for way, each in medians.items()
        ),
    ]
    publish("data_parallel", "\n".join(page) + "\n")


def measured(steps: int, batch_size: int, processes: int, threads: int, exchange: bool) -> float:
    """Return the seconds of the steps."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), __file__, "--steps", str(steps)]
    command += ["--batch-size", str(batch_size), "--part", "exchange" if exchange else "alone"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(ended.stdout.split("seconds ")[1].split()[0])


def train(steps: int, batch_size: int, exchange: bool) -> None:
    """Take the steps, and print the seconds of those after the first few."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with quiet_libraries():
        accelerator = devices.accelerator("cpu", "auto")
        share = max(1, batch_size // accelerator.num_processes)
        bench = Bench((str(dataset("reviews")), "minilm"), (steps + _WARM) * batch_size, 1, share)
        settings = bench.run.train.model_copy(update={"accumulation_steps": batch_size // share})
        model = bench.network(0, ours=True)
        taken = trainer.fit(model, bench.task.criterion(), bench.train, FitOptions(settings, 0, accelerator))
        with contextlib.nullcontext() if exchange else without_exchange():
            for _ in range(_WARM):
                next(taken)
            accelerator.wait_for_everyone()
            begun = time.perf_counter()
            for _ in range(steps):
                next(taken)
    if accelerator.is_main_process:
        print("seconds", time.perf_counter() - begun)


@contextlib.contextmanager
def without_exchange() -> Iterator[None]:
    """Let every process keep its own gradients."""
    parallel = torch.nn.parallel.DistributedDataParallel
    forward = parallel.forward

    def alone(self: torch.nn.Module, *inputs: object, **named: object) -> object:
        with self.no_sync():
            return forward(self, *inputs, **named)

    parallel.forward = alone
    try:
        yield
    finally:
        parallel.forward = forward


if __name__ == "__main__":
    main()
