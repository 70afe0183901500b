"""`tithe train`: what it leaves, what it prints, and what it refuses to go on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.command_line import PART_FILES, Run, Trained, assert_refused, files, write_config
from support.texts import make_texts, write_rows

CHECKPOINT_FILES = {
    *("model.pt", "optimizer.pt", "scheduler.pt", "rng.pt", "state.json", "labels.json", "manifest.json"),
    *("encoder/config.json", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
}
RUN_FILES = {
    *("config.json", "data_report.json", "dropped.jsonl", "environment.json", "history.jsonl", "labels.json"),
    *("details.json", "learning_curves.png", "manifest.json", "metrics.json", "report.html", "train.log"),
    *(f"{part}/{name}" for part in ("validation", "test") for name in PART_FILES),
    *("assets/encoder/config.json", "assets/tokenizer/tokenizer.json", "assets/tokenizer/tokenizer_config.json"),
    "assets/manifest.json",
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data": "labels"}, "has different labels .*start a new run without resume"),
        ({"model": {"head": "mlp"}}, "has different model .head: linear in the checkpoint, mlp now"),
        ({"model": {"max_length": 16}}, "has different model .max_length: 32 in the checkpoint, 16 now"),
        ({"data": "rows"}, "has different data"),
        ({"data": {"val_ratio": 0.2}}, "has different data"),
        ({"train": {"batch_size": 4}}, "has different order .batch_size: 8 in the checkpoint, 4 now"),
        ({"train": {"accumulation_steps": 2}}, "has different order .accumulation_steps"),
    ],
)
def test_resuming_what_does_not_fit_is_refused(
    change: dict[str, object], says: str, trained: Trained, run: Run, tmp_path: Path
) -> None:
    raw = json.loads(trained.config.read_text())
    for section, values in change.items():
        if isinstance(values, str):
            texts, labels = make_texts(60, classes=3) if values == "labels" else make_texts(60, seed=1)
            values = {"path": str(write_rows(tmp_path / "other.parquet", texts, labels))}
        raw[section].update(values)
    config = write_config(tmp_path / "config.json", {**raw, "out": str(tmp_path / "out")})
    assert_refused(run("train", config, "--resume", trained.best), says)
    assert not (tmp_path / "out").exists()


def test_training_leaves_every_file_and_says_where(trained: Trained) -> None:
    names = ["best", *sorted(p.name for p in (trained.home / "checkpoints").glob("step_*"))]
    assert names == ["best", "step_00000012", "step_00000024"]
    checkpoints = {f"checkpoints/{name}/{file}" for name in names for file in CHECKPOINT_FILES}
    calibration = {"calibration.json", "checkpoints/best/calibration.json"}
    assert files(trained.home) == RUN_FILES | checkpoints | calibration

    scores = json.loads((trained.home / "metrics.json").read_text())
    assert scores["best"]["by"] == "f1" and scores["best"]["epoch"] in (1, 2)
    assert scores["training"]["epochs"] == 2 and scores["training"]["device"] == "cpu"
    assert scores["validation"]["rows"] == scores["test"]["rows"] == 12
    assert scores["test"]["accuracy"] > 0.8
    for part in ("validation", "test"):
        assert json.loads((trained.home / part / "metrics.json").read_text()) == scores[part]

    out = trained.result.out
    assert f"accuracy{scores['validation']['accuracy']:>24.4f}{scores['test']['accuracy']:>12.4f}" in out
    assert str(trained.best) in out and str(trained.home / "report.html") in out
    assert scores["training"]["final_weights_sha256"] in out
    assert "epoch 2 of 2: validation" in trained.result.err
    assert "Traceback" not in trained.result.err


def test_training_writes_a_log_with_every_documented_number(trained: Trained) -> None:
    steps = [line for line in (trained.home / "train.log").read_text().splitlines() if "batch_loss" in line]
    assert [line.split(" step ")[1].split()[0] for line in steps] == ["5", "10", "12", "15", "20", "24"]
    assert all(f" {word} " in line for line in steps for word in ("epoch", "step", "batch_loss", "lr", "opt_steps"))


def test_training_prints_json_and_never_buries_an_earlier_run(trained: Trained, run: Run, tmp_path: Path) -> None:
    home = tmp_path / "again"
    shutil.copytree(trained.home, home)
    before = (home / "metrics.json").read_bytes()
    refused = run("train", trained.config, "--out", home)
    assert_refused(refused, "contains an earlier run: resume it, choose another directory, or pass --overwrite")
    assert (home / "metrics.json").read_bytes() == before

    (home / "somebody.txt").write_text("not of any run")
    (home / "test/left-over.txt").write_text("from the earlier run")
    result = run("train", trained.config, "--out", home, "--overwrite", "--json", "--set", "train.epochs=1")
    assert result.code == 0 and "deleting the earlier run" in result.err
    scores = json.loads(result.out)
    assert scores["home"] == str(home)
    assert f'"{home / "checkpoints/best"}"' in result.out, "a program has to find the best checkpoint"
    assert scores["training"]["epochs"] == 1
    assert not (home / "test/left-over.txt").exists()
    assert (home / "somebody.txt").exists()


@pytest.mark.parametrize("resume", [["--resume", "auto"], ["--set", "checkpoint.resume=auto"]])
def test_to_overwrite_and_to_resume_is_refused(resume: list[str], trained: Trained, run: Run) -> None:
    before = (trained.home / "metrics.json").read_bytes()
    assert_refused(run("train", trained.config, "--overwrite", *resume), "resume auto would continue: pass only one")
    assert (trained.home / "metrics.json").read_bytes() == before


@pytest.mark.parametrize("setting", ["data.hold_out=[dalle]", "images.mode=full", "images.crops=1"])
def test_what_only_images_have_is_refused(setting: str, trained: Trained, run: Run, tmp_path: Path) -> None:
    key = setting.partition("=")[0]
    says = f"{key} is for images: leave it out of a config for texts"
    for command in (
        ["train", "--out", tmp_path / "out"],
        ["config", "check"],
        ["select", "--out", tmp_path / "p.parquet"],
    ):
        assert_refused(run(*command, trained.config, "--set", setting), says)
    assert not any(tmp_path.iterdir())


def test_a_second_training_run_is_the_first_again(trained: Trained, run: Run, tmp_path: Path) -> None:
    result = run("train", trained.config, "--out", tmp_path / "run", "--json")
    one, two = (json.loads((home / "metrics.json").read_text()) for home in (trained.home, tmp_path / "run"))
    assert result.code == 0
    assert one["training"]["final_weights_sha256"] == two["training"]["final_weights_sha256"]
    assert one["test"] == two["test"]


def test_messages_about_a_documented_config_have_its_own_keys(run: Run, tmp_path: Path) -> None:
    raw: dict[str, object] = {"paths": {"dataset_path": str(tmp_path / "no.json"), "base_model_dir": "./nowhere"}}
    raw["training"] = {"mixed_precision": "no"}
    file = write_config(tmp_path / "train_config.json", raw)
    for command in (("train", file), ("tune", file), ("config", "check", file)):
        assert_refused(run(*command), "'python finetune_pipeline/scripts/preprocess_data.py' makes one from raw parts")
    (tmp_path / "no.json").write_text('[{"input": "one", "output": "x"}]')
    assert_refused(run("train", file), "paths.base_model_dir: no folder nowhere")
