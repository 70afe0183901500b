"""The documented command of `image_authenticity`: every flag, its default and its effect."""

from __future__ import annotations

import functools
import re
import runpy
import shlex
import subprocess
import sys
from typing import Any

import pytest

from support.paths import ROOT
from tithe import config
from tithe.config.formats import image_authenticity
from tithe.train import devices

RECIPE = ROOT / "recipes/image_authenticity"
SCRIPT = RECIPE / "scripts/train_script.py"

DEFAULTS = RECIPE / "configs/train_config.json"


def read(command: str, monkeypatch: pytest.MonkeyPatch) -> config.Run:
    """Return the config that a documented command means."""
    program, path, *flags = shlex.split(command.replace("\\\n", " "))
    assert (program, path) == ("python", "scripts/train_script.py")
    monkeypatch.setattr("sys.argv", [path, *flags])
    file, *rest = runpy.run_path(str(SCRIPT))["arguments"]()
    assert rest[::2] == ["--set"] * (len(rest) // 2)
    return config.load(file, rest[1::2])


def at(run: config.Run, place: str) -> Any:
    return functools.reduce(getattr, place.split("."), run)


# What each flag means, its documented value, and another one with what becomes of it.
FLAGS: dict[str, tuple[str, Any, str, Any]] = {
    "data_root": ("data.path", "./dataset", "pictures", "pictures"),
    "use_csv": ("data.reader", None, "", "image_csv"),
    "epochs": ("train.epochs", 50, "100", 100),
    "batch_size": ("train.batch_size", 16, "32", 32),
    "lr": ("train.learning_rate", 0.0000125, "1e-4", 0.0001),
    "img_size": ("images.size", 256, "128", 128),
    "use_amp": ("train.precision", "no", "", "fp16"),
    "fast_mode": ("images.mode", "fast", "", "fast"),
    "full_mode": ("images.mode", "fast", "", "full"),
    "regression_weight": ("images.regression_weight", 1.0, "2", 2.0),
    "classification_weight": ("images.classification_weight", 0.3, "0", 0.0),
    "ranking_weight": ("images.ranking_weight", 0.2, "0.5", 0.5),
    "output_dir": ("out", "./checkpoints", "elsewhere", "elsewhere"),
    "num_workers": ("data.num_workers", 0, "4", 4),
    "device": ("train.device", "auto", "cuda", "cuda"),
    "resume": ("checkpoint.resume", None, "checkpoints/latest_model.pt", "checkpoints/latest_model.pt"),
    "reset_lr": ("checkpoint.reset_lr", False, "", True),
    "reset_scheduler": ("checkpoint.reset_schedule", False, "", True),
    "gradient_accumulation_steps": ("train.accumulation_steps", 1, "2", 2),
    "warmup_epochs": ("train.warmup_epochs", 5, "0", 0),
    "min_lr": ("train.min_learning_rate", 0.000001, "0.00001", 0.00001),
    "weight_decay": ("train.weight_decay", 0.01, "0", 0.0),
    "early_stopping_patience": ("train.patience", 15, "3", 3),
    "validate_interval": ("train.validate_every", 1, "2", 2),
    "save_interval": ("checkpoint.epoch_files", 1, "10", 10),
    "no-use_tensorboard": ("track.tensorboard", True, "", False),
    "seed": ("seed", 42, "7", 7),
    "val_ratio": ("data.val_ratio", 0.1, "0.2", 0.2),
    "test_ratio": ("data.test_ratio", 0.1, "0", 0.0),
    "hold_out": ("data.hold_out", (), "sdxl midjourney", ("sdxl", "midjourney")),
    "crops": ("images.crops", 4, "9", 9),
    "augment": ("images.augment", "all", "flips", "flips"),
}


def test_every_flag_is_here_and_in_the_readme() -> None:
    known = set(image_authenticity.Config.model_fields)
    assert {flag.removeprefix("no-") for flag in FLAGS} == known
    for name in ("README.md", "README.ru.md"):
        recorded = (RECIPE / name).read_text(encoding="utf-8")
        assert {flag.removeprefix("no-") for flag in re.findall(r"--([a-z_-]+)", recorded)} >= known


@pytest.mark.parametrize(("flag", "meant"), FLAGS.items(), ids=FLAGS)
def test_a_flag_has_its_documented_default_and_its_effect(
    flag: str, meant: tuple[str, Any, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, default, given, becomes = meant
    command = "python scripts/train_script.py --data_root ./dataset"
    assert at(read(command, monkeypatch), place) == default
    changed = read(f"{command} --{flag} {given}", monkeypatch)
    assert at(changed, place) == becomes and type(at(changed, place)) is type(becomes)


def test_what_no_flag_says_is_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    run = read("python scripts/train_script.py --data_root ./dataset", monkeypatch)
    t = run.train
    assert (run.task, t.schedule, t.drop_last, t.careful_scaling) == ("image", "cosine", True, True)
    assert (run.checkpoint.best_by, run.checkpoint.dir, run.track.tensorboard_dir) == ("loss", ".", "logs")
    assert (t.schedule_from, t.num_cycles, t.clip_norm, t.log_every_steps) == (0, 0.5, 1.0, 1)
    scaling = devices._CAREFUL
    assert (scaling.init_scale, scaling.growth_factor, scaling.backoff_factor) == (128.0, 1.5, 0.75)
    assert scaling.growth_interval == 100


# The commands of the documents, to the letter.
COMMANDS = [
    ("python scripts/train_script.py --data_root ./dataset --fast_mode", {"images.mode": "fast"}),
    ("python scripts/train_script.py --data_root ./dataset --full_mode", {"images.mode": "full"}),
    (
        r"""python scripts/train_script.py \
    --data_root ./dataset \
    --regression_weight 1.0 \
    --classification_weight 0.3 \
    --ranking_weight 0.2""",
        {"images.ranking_weight": 0.2, "train.epochs": 50},
    ),
    ("python scripts/train_script.py --data_root ./dataset --use_amp", {"train.precision": "fp16"}),
    (
        """python scripts/train_script.py --data_root ./dataset --resume checkpoints/latest_model.pt \
           --epochs 20""",
        {"checkpoint.resume": "checkpoints/latest_model.pt", "checkpoint.reset_lr": False, "train.epochs": 20},
    ),
    (
        """python scripts/train_script.py --data_root ./dataset --resume checkpoints/latest_model.pt \
           --epochs 20 --lr 0.0001 --reset_lr""",
        {"train.learning_rate": 0.0001, "checkpoint.reset_lr": True, "checkpoint.reset_schedule": False},
    ),
    (
        """python scripts/train_script.py --data_root ./dataset --resume checkpoints/best_model.pt \
           --epochs 30 --lr 0.0003 --reset_lr --reset_scheduler""",
        {"checkpoint.reset_lr": True, "checkpoint.reset_schedule": True, "train.epochs": 30},
    ),
    (
        r"""python scripts/train_script.py \
    --data_root ./dataset \
    --use_csv \
    --epochs 100 \
    --batch_size 32 \
    --lr 0.0001 \
    --img_size 256 \
    --use_amp \
    --fast_mode \
    --regression_weight 1.0 \
    --classification_weight 0.3 \
    --ranking_weight 0.2 \
    --output_dir ./checkpoints \
    --num_workers 0 \
    --device cuda""",
        {"data.reader": "image_csv", "train.epochs": 100, "train.batch_size": 32, "train.device": "cuda"},
    ),
]


@pytest.mark.parametrize(("command", "means"), COMMANDS)
def test_documented_commands_are_understood(
    command: str, means: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read(command, monkeypatch)
    assert {place: at(run, place) for place in means} == means


def test_the_least_rate_is_never_above_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    run = read("python scripts/train_script.py --data_root ./dataset --lr 0.0000001", monkeypatch)
    assert run.train.min_learning_rate == run.train.learning_rate == 0.0000001


def test_help_shows_every_flag_and_imports_nothing_heavy() -> None:
    program = (
        "import contextlib, runpy, sys\nsys.argv = [sys.argv[1], '--help']\n"
        "with contextlib.suppress(SystemExit): runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "print([name for name in ('torch', 'numpy', 'transformers', 'cv2', 'pyarrow') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(SCRIPT)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"
    assert all(f"--{flag}" in out for flag in FLAGS) and "(default: 1.25e-05)" in out


def test_the_common_command_means_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    run = read("python scripts/train_script.py --data_root ./dataset --epochs 3", monkeypatch)
    assert config.load(DEFAULTS, ["data_root=./dataset", "epochs=3"]) == run
