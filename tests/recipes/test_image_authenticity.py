"""The documented command of `image_authenticity` at work: its mistakes, and what a run leaves."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from support import processes
from support.paths import ROOT
from support.photographs import final, history, train, twins, with_little_detector, without_pictures
from support.readme import run_snippet
from support.runs import wait_for
from tithe import storage
from tithe.predict import load
from tithe.train import devices

SCRIPT = ROOT / "recipes/image_authenticity/scripts/train_script.py"

Called = tuple[Any, str, list[str]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins(tmp_path_factory.mktemp("photographs") / "set")


@pytest.fixture
def script(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, root: Path
) -> Callable[..., Called]:
    """Call the script in this process, beside a folder `dataset`; return its code, its output, its lines on stderr."""

    def call(*arguments: object) -> Called:
        monkeypatch.chdir(tmp_path)
        if not (tmp_path / "dataset").exists():
            (tmp_path / "dataset").symlink_to(root)
        monkeypatch.setattr("sys.argv", [str(SCRIPT), *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        out, err = capsys.readouterr()
        return exit_.value.code, out, err.splitlines()

    return call


# ---- mistakes

MISTAKES: list[tuple[list[str], str]] = [
    ([], "the following arguments are required: --data_root"),
    (["--data_root", "dataset", "--lr"], "argument --lr: expected one argument"),
    (["--data_root", "dataset", "--fast_mode", "--full_mode"], "fast_mode and full_mode are both on: choose one"),
    (["--data_root", "nowhere"], "no images at nowhere (seen from "),
    (["--data_root", "dataset", "--epochs", "many"], "epochs = 'many' should be an integer"),
    (["--data_root", "dataset", "--epochs", "0"], "epochs = 0 should be greater than 0"),
    (["--data_root", "dataset", "--device", "tpu"], "device = 'tpu' should be 'auto', 'cpu', 'cuda' or 'mps'"),
    (["--data_root", "dataset", "--img_size", "4"], "img_size = 4 should be greater than or equal to 8"),
    (["--data_root", "dataset", "--learning_rate", "1"], "No such option: --learning_rate"),
    (["--data_root", "dataset", "more"], "unexpected extra argument"),
    (["--data_root", "dataset", "--batch_size", "64"], "training rows are fewer than the 64 of a step: lower the"),
    (["--data_root", "dataset", "--resume", "gone.pt"], "no checkpoint at gone.pt"),
    (["--data_root", "dataset", "--reset_lr"], "nothing to reset: resume from a single file such as latest_model.pt"),
    (["--data_root", "dataset/real"], "is not in a folder of real or fake images"),
    (["--data_root", "dataset/real", "--use_csv"], "has no list: pass one CSV, or a folder with one of labels.csv"),
    (["--data_root", "dataset", "--hold_out", "sd"], "sd"),
]


@pytest.mark.parametrize(("flags", "says"), MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    flags: list[str], says: str, script: Callable[..., Called], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_little_detector(monkeypatch)
    code, out, err = script(*flags)
    recorded = [line for line in err if not line.startswith(("reading ", "listing "))]
    assert code == 2 and out == "" and len(recorded) == 1, err
    assert recorded[0].startswith("error: ") and says in recorded[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_line(script: Callable[..., Called]) -> None:
    code, _, err = script("--data_root", "dataset", "--device", "cuda")
    assert (code, err) == (2, ["error: device 'cuda' is not available here: set device to auto or cpu"])


def test_without_tithe_the_script_says_what_to_do() -> None:
    found = subprocess.run([sys.executable, "-S", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert found.returncode == 1 and "is not installed in this Python: run 'make install'" in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_what_tithe_train_understands_may_be_added(script: Callable[..., Called]) -> None:
    code, _, err = script("--data_root", "dataset", "--set", "images.margin=7")
    assert code == 2 and "images.margin = 7 should be less than or equal to 1" in err[-1]


# ---- a run, from the command to what it leaves

SMALL = "--epochs 2 --batch_size 8 --img_size 32 --lr 0.0005 --val_ratio 0.25 --test_ratio 0.2 --crops 1"
EXAMPLE = shlex.split(f"--data_root ./dataset --use_csv --use_amp --fast_mode --output_dir ./checkpoints {SMALL}")


@pytest.fixture(scope="module")
def killed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The documented example, killed after its first epoch and gone on with; its folder and what it said in the end."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(root, folder / "dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        first = processes.start(SCRIPT, *EXAMPLE, log=Path(os.devnull))
        wait_for((folder / "checkpoints/checkpoint_epoch_1.pt").exists, first)
        first.kill()
        assert first.wait() in (-signal.SIGKILL, 0)
        patch.setattr("sys.argv", [str(SCRIPT), *EXAMPLE, "--resume", "auto"])
        with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as exit_:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        assert exit_.value.code == 0
    return folder, said.getvalue() + (folder / "checkpoints/train.log").read_text(encoding="utf-8")


def test_the_documented_command_killed_and_gone_on_with_equals_one_that_was_not(
    killed: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    home = killed[0] / "checkpoints"
    flags = {"test_ratio": 0.2, "use_amp": True, "augment": "all", "use_tensorboard": True}
    whole = train(killed[0] / "dataset", tmp_path / "whole", "train.device=auto", **flags).home
    assert final(home) == final(whole)
    assert (home / "history.jsonl").read_bytes() == (whole / "history.jsonl").read_bytes()


def test_a_run_leaves_the_documented_files_where_they_were_asked_for(killed: tuple[Path, str]) -> None:
    folder, said = killed
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "dataset"]
    home = folder / "checkpoints"
    documented = {"best_model.pt", "latest_model.pt", "training_history.json", "logs"}
    documented |= {f"checkpoint_epoch_{epoch}.pt" for epoch in (1, 2)}
    ours = {"report.html", "calibration.json", "history.jsonl", "manifest.json", "best", "test", "validation"}
    assert documented | ours <= {path.name for path in home.iterdir()}
    assert storage.broken_files(home) == []
    assert {"authenticity.json", "predictions.parquet"} <= {path.name for path in (home / "test").iterdir()}
    found = json.loads((home / "test/authenticity.json").read_text())
    wanted = {"auc", "ap_real", "ap_fake", "eer", "tpr_at_fpr_1", "tpr_at_fpr_5", "tpr_at_fpr_10", "per_generator"}
    assert wanted <= found.keys()
    assert "report           checkpoints/report.html" in said and "Traceback" not in said
    assert "AUC of plain statistics " in said and "AUC of file formats alone " in said
    page = (home / "report.html").read_text(encoding="utf-8")
    assert "AUC of a regression on plain statistics" in page and "from the file format alone" in page


def test_the_readme_opens_the_weights_without_the_rest_of_tithe(killed: tuple[Path, str]) -> None:
    path = killed[0] / "checkpoints/best_model.pt"
    found = run_snippet(SCRIPT.parents[1] / "README.md", "Detector", {'"checkpoints/best_model.pt"': repr(str(path))})
    with torch.no_grad():
        expected = load(path).model({"images": found["images"]})
    torch.testing.assert_close(found["logits"], expected)


def test_mixed_precision_on_a_cpu_is_bf16_or_said_to_be_none(killed: tuple[Path, str]) -> None:
    folder, said = killed
    precision = storage.read_json(folder / "checkpoints/metrics.json")["training"]["precision"]
    if not torch.cuda.is_available():
        native = devices.bf16_is_native(torch.device("cpu"))
        assert precision == ("bf16" if native else "no")
        assert f"fp16 needs a CUDA GPU: training in {'bf16' if native else 'float32'} instead" in said


def test_tensorboard_has_the_documented_tags_and_only_numbers(killed: tuple[Path, str]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    home = killed[0] / "checkpoints"
    events = EventAccumulator(str(home / "logs"), size_guidance={"scalars": 0})
    events.Reload()
    shown = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    documented = {"train/batch_loss", "train/total", "train/regression", "train/classification", "train/ranking"}
    documented |= {"val/total", "val/accuracy", "val/loss", "val/regression", "val/classification"}
    assert documented | {"train/learning_rate"} <= shown.keys()
    assert all(math.isfinite(value) for points in shown.values() for _, value in points)
    lines = history(home, "train")
    assert [step for step, _ in shown["train/batch_loss"]] == [line["step"] for line in lines]
    ends = [line for line in lines if "total" in line]
    for tag in ("total", "regression", "learning_rate"):
        assert shown[f"train/{tag}"] == [(line["step"], pytest.approx(line[tag])) for line in ends]
    recorded = [(line["step"], pytest.approx(line["loss"])) for line in history(home, "val")]
    assert shown["val/total"] == shown["val/loss"] == recorded and len(recorded) == 2


def test_without_tensorboard_there_are_no_logs(script: Callable[..., Called], monkeypatch: pytest.MonkeyPatch) -> None:
    with_little_detector(monkeypatch)
    without_pictures(monkeypatch)
    code, out, err = script(*shlex.split(f"--data_root dataset {SMALL} --epochs 1 --no-use_tensorboard --json"))
    recorded = json.loads(out)
    assert code == 0 and recorded["home"] == "checkpoints" and not Path("checkpoints/logs").exists()
    assert "are too few to train a new detector: train longer" in "\n".join(err)
