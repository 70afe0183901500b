"""Every documented key of `finetune_pipeline`, shown by its effect, and the project's commands as they are written."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, ModernBertModel

from conftest import make_texts
from tithe import config, data, pipeline, prepare, proof, records, tiny, trained, vocabulary
from tithe.errors import InputError
from tithe.recipes import finetune_pipeline

PROJECT = Path(__file__).parents[1] / "recipes" / "finetune_pipeline"
ROWS, TRAIN = 60, 48  # 80 % of 60

TESTED: set[str] = set()


def shows(*keys: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note which keys a test shows the effect of."""
    TESTED.update(keys)
    return lambda test: test


def write_parts(folder: Path, rows: int = ROWS, classes: int = 3) -> Path:
    texts, labels = make_texts(rows // classes, classes)
    folder.mkdir(parents=True, exist_ok=True)
    records_ = [{"input": text, "output": label} for text, label in zip(texts, labels, strict=True)]
    half = len(records_) // 2
    (folder / "part_0.json").write_text(json.dumps(records_[:half], ensure_ascii=False), encoding="utf-8")
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records_[half:])
    (folder / "part_1.json").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder with merged data of three classes."""
    prepare.merge(write_parts(tmp_path / "raw"), tmp_path / "combined")
    return tmp_path / "combined"


@pytest.fixture
def documented(prepared: Path, tiny_modernbert: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The documented file, small."""
    return {
        "paths": {
            "base_model_dir": str(tiny_modernbert),
            "dataset_path": str(prepared / "combined_dataset.json"),
            "label_mapping_path": str(prepared / "output_to_symbol.json"),
            "output_dir": str(tmp_path / "artifacts"),
        },
        "data": {"max_length": 32, "train_ratio": 0.8, "val_ratio": 0.1, "seed": 42},
        "model": {"hidden_dim": 16, "dropout": 0.1},
        "training": {
            "epochs": 2,
            "batch_size": 4,
            "gradient_accumulation_steps": 2,
            "num_workers": 0,
            "learning_rate": 1e-2,
            "encoder_learning_rate": 1e-4,
            "weight_decay": 0.01,
            "max_grad_norm": 1.0,
            "freeze_backbone": True,
            "mixed_precision": "no",
        },
    }


@pytest.fixture
def read(documented: dict[str, dict[str, Any]], tmp_path: Path) -> Callable[..., config.Run]:
    """Write the documented file with some keys changed, and read it as the command does."""

    def build(**changes: Any) -> config.Run:
        raw = json.loads(json.dumps(documented))
        for key, value in changes.items():
            section, _, name = key.partition("__")
            raw.setdefault(section, {})[name] = value
        path = tmp_path / "train_config.json"
        path.write_text(json.dumps(raw))
        return config.load(path, ["track.tensorboard=false", "train.device=cpu"])

    return build


Read = Callable[..., config.Run]


def history(home: Path, kind: str = "train") -> list[dict[str, Any]]:
    return [r for r in records.read_lines(home / "history.jsonl") if r["kind"] == kind]


@pytest.fixture
def finished(read: Read) -> pipeline.Outcome:
    return pipeline.train(read())


# ---- what a run leaves


@shows("paths.output_dir", "paths.dataset_path", "paths.base_model_dir")
def test_a_run_leaves_every_documented_file_in_a_folder_of_its_own(finished: pipeline.Outcome, tmp_path: Path) -> None:
    home = finished.home
    assert home.parent == tmp_path / "artifacts" and home.name.replace("-", "").isdigit()
    documented = {"best_model.pt", "final_model.pt", "classifier_head.pt", "label_to_id.json", "id_to_label.json"}
    documented |= {"metrics.json", "freeze_proof.json", "tokenizer", "train.log"}
    assert documented <= {path.name for path in home.iterdir()}
    metrics = records.read_json(home / "metrics.json")
    assert metrics["score"] == "f1" and metrics["best_val_score"] == metrics["validation"]["f1"]
    assert metrics["test_score"] == metrics["test"]["f1"] and len(metrics["test"]["per_class"]) == 3
    assert metrics["training"]["seconds"] > 0 and metrics["freeze"]["holds"] is True
    encoder = {k.removeprefix("encoder.") for k in torch.load(home / "best_model.pt") if k.startswith("encoder.")}
    assert encoder == set(AutoModel.from_pretrained(finished_model(home)).state_dict())
    assert AutoTokenizer.from_pretrained(home / "tokenizer")("goal")["input_ids"]


def finished_model(home: Path) -> str:
    return str(records.read_json(home / "config.json")["model"]["encoder"])


@shows("paths.label_mapping_path")
def test_the_mapping_gives_classes_their_names_back(finished: pipeline.Outcome, read: Read) -> None:
    assert records.read_json(finished.home / "label_to_id.json") == {"a": 0, "b": 1, "c": 2}
    assert records.read_json(finished.home / "id_to_label.json") == {"0": "a", "1": "b", "2": "c"}
    assert trained.load(finished.home).predict(["goal team"])[0].probabilities.keys() == {"space", "sport", "кухня"}
    bare = pipeline.train(read(paths__label_mapping_path=None))
    assert trained.load(bare.home).predict(["goal team"])[0].probabilities.keys() == {"a", "b", "c"}


def test_more_than_26_classes_keep_their_names(tmp_path: Path, tiny_modernbert: Path) -> None:
    # By code point `aa` stands before `b`: names, ids and symbols must still belong together.
    rows = [{"input": f"{c} goal {i}", "output": f"class {c:02}"} for c in range(30) for i in range(2)]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/all.json").write_text(json.dumps(rows))
    merged = prepare.merge(tmp_path / "raw", tmp_path / "out")
    settings = {"path": str(merged.dataset), "text_column": "input", "label_column": "output"}
    everything, labels, _ = data.ingest(config.Data(**settings, label_mapping=str(merged.mapping)))
    assert list(labels.names) == [f"class {c:02}" for c in range(30)]
    assert [everything.inputs()[i].split()[0] for i in range(0, 60, 2)] == [
        str(int(str(labels.names[label]).split()[1])) for label in everything.labels[::2]
    ]


# ---- data


@shows("data.train_ratio", "data.val_ratio")
@pytest.mark.parametrize(
    "train, val, sizes", [(0.8, 0.1, [48, 6, 6]), (0.7, 0.1, [42, 6, 12]), (0.8, 0.2, [48, 12, 0])]
)
def test_ratios_share_the_rows_and_the_rest_is_the_test(train: float, val: float, sizes: list[int], read: Read) -> None:
    run = read(data__train_ratio=train, data__val_ratio=val)
    splits = data.load(run.data, run.seed)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == sizes


@shows("data.seed")
def test_the_seed_fixes_split_and_weights(read: Read) -> None:
    splits = [data.load(run.data, run.seed).split.hash for run in (read(), read(), read(data__seed=7))]
    assert splits[0] == splits[1] != splits[2]
    hashes = [pipeline.train(r).scores["training"]["final_weights_sha256"] for r in (read(), read())]
    assert hashes[0] == hashes[1]


@shows("data.max_length")
def test_texts_are_cut_at_max_length_and_checked_against_the_model(read: Read) -> None:
    task = pipeline.check(read(data__max_length=5))
    assert max(map(len, (ids["input_ids"] for ids in [task.tokenizer("goal " * 9)]))) > 5
    examples = task.examples(["goal " * 9])
    assert examples.lengths.tolist() == [5]
    with pytest.raises(InputError, match=r"max_length 65 is more than the 64 positions"):
        pipeline.check(read(data__max_length=65))


# ---- model


@shows("model.hidden_dim", "model.dropout")
def test_the_head_is_as_wide_and_drops_as_asked(read: Read) -> None:
    run = read(model__hidden_dim=48, model__dropout=0.3)
    head = pipeline.check(run).build(3, 0).head
    assert [layer.weight.shape for layer in head if hasattr(layer, "weight")] == [(48, 32), (3, 48)]
    assert {layer.p for layer in head if hasattr(layer, "p")} == {0.3}


# ---- training


@shows("training.epochs", "training.batch_size", "training.gradient_accumulation_steps", "training.log_every_steps")
def test_steps_follow_from_epochs_batch_and_accumulation(read: Read) -> None:
    outcome = pipeline.train(read(training__epochs=3, training__log_every_steps=1))
    steps = history(outcome.home)
    assert len(steps) == 3 * TRAIN // 8 and steps[-1]["epoch"] == 3
    defaults = pipeline.train(read(training__epochs=3))  # without the key a line every five steps
    assert [r["step"] for r in history(defaults.home) if r["step"] % 6] == [5, 10, 15]


def test_one_row_eight_times_is_eight_rows(read: Read) -> None:
    scores = [
        pipeline.train(
            read(model__dropout=0.0, training__batch_size=size, training__gradient_accumulation_steps=8 // size)
        ).scores["validation"]["loss"]
        for size in (1, 8)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


@shows("training.learning_rate", "training.encoder_learning_rate")
def test_rates_are_constant_and_the_encoder_has_its_own_when_it_is_trained(read: Read) -> None:
    frozen = history(pipeline.train(read()).home)
    assert {value for r in frozen for key, value in r.items() if key.startswith("lr_")} == {1e-2}
    outcome = pipeline.train(read(training__freeze_backbone=False))
    assert {value for r in history(outcome.home) for key, value in r.items() if key.startswith("lr_")} == {1e-2, 1e-4}
    line = next(text for text in (outcome.home / "train.log").read_text().splitlines() if "batch_loss" in text)
    assert "lr 0.01,0.0001 opt_steps" in line


@shows("training.freeze_backbone")
def test_freezing_is_proved_and_full_finetuning_says_so(read: Read) -> None:
    frozen = records.read_json(pipeline.train(read()).home / proof.FILE)
    assert frozen["holds"] is True and frozen["tensors_frozen"] == frozen["tensors_in_encoder"] > 10
    assert frozen["overall"]["before"] == frozen["overall"]["after"] and frozen["tensors_that_moved"] == 0
    trained_ = records.read_json(pipeline.train(read(training__freeze_backbone=False)).home / proof.FILE)
    assert trained_["holds"] is None and trained_["verdict"].startswith("not frozen")
    assert trained_["tensors_that_moved"] > 5 and trained_["overall"]["before"] != trained_["overall"]["after"]


@shows("training.freeze_layers")
def test_the_first_layers_alone_can_stay(read: Read) -> None:
    found = records.read_json(
        pipeline.train(read(training__freeze_backbone=False, training__freeze_layers=1)).home / proof.FILE
    )
    frozen = {name for name, entry in found["tensors"].items() if entry["frozen"]}
    assert found["holds"] is True and 0 < len(frozen) < found["tensors_in_encoder"]
    assert all(name.startswith(("encoder.embeddings.", "encoder.layers.0.")) for name in frozen)
    moved = {name for name, entry in found["tensors"].items() if entry["before"] != entry["after"]}
    assert any(name.startswith("encoder.layers.1.") for name in moved)


@shows("training.weight_decay", "training.max_grad_norm")
def test_decay_and_clipping_reach_the_optimizer(read: Read) -> None:
    run = read(training__weight_decay=0.5, training__max_grad_norm=0)
    assert (run.train.weight_decay, run.train.clip_norm) == (0.5, 0)
    norms = [r for r in history(pipeline.train(run).home) if "grad_norm" in r]
    assert norms == [] and "grad_norm" in history(pipeline.train(read()).home)[0]
    heads = [
        torch.load(pipeline.train(read(training__weight_decay=d, training__epochs=5)).home / "classifier_head.pt")
        for d in (0.0, 5.0)
    ]
    assert heads[0]["1.weight"].norm() > heads[1]["1.weight"].norm()


@shows("training.num_workers")
def test_workers_change_nothing(read: Read) -> None:
    hashes = {pipeline.train(read(training__num_workers=n)).scores["training"]["final_weights_sha256"] for n in (0, 2)}
    assert len(hashes) == 1


@shows("training.mixed_precision")
@pytest.mark.parametrize("written", ["no", False, None, "fp16", "bf16"])
def test_precision_is_a_value(written: Any, read: Read, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "tithe"):
        outcome = pipeline.train(read(training__mixed_precision=written))
    used = outcome.scores["training"]["precision"]
    if written in ("fp16", "bf16"):
        assert used in ("bf16", "no") and (written == "bf16" or "fp16 needs a CUDA GPU" in caplog.text)
        assert written == "bf16" or "fp16 needs a CUDA GPU" in (outcome.home / "train.log").read_text()
    else:
        assert used == "no" and caplog.text == ""


def test_the_step_log_has_the_documented_fields(finished: pipeline.Outcome) -> None:
    log = (finished.home / "train.log").read_text()
    line = next(text for text in log.splitlines() if "batch_loss" in text)
    assert "epoch 1 step 10 batch_loss" in line and "opt_steps 5" in line and "lr 0.01" in line
    assert "gpu_mem" not in log  # it is there with CUDA alone


@shows(*(f"select.{key}" for key in config.Select.model_fields))
def test_the_native_section_select_is_taken_as_it_is(read: Read, tmp_path: Path) -> None:
    asked = {
        **{"strategy": "qdit_lite", "budget": 0.5, "balance": "none", "floor": 2, "seed": 3, "folds": 2},
        **{"proxy_runs": 4, "language_model": "lm.gguf", "rounds": 2, "first": "all", "options": {"weight": 0.3}},
    }
    assert asked.keys() == config.Select.model_fields.keys() and read().select is None
    documented = json.loads((tmp_path / "train_config.json").read_text())
    (tmp_path / "train_config.json").write_text(json.dumps({**documented, "select": asked}))
    assert config.load(tmp_path / "train_config.json").select == config.Select(**asked)
    changed = config.load(tmp_path / "train_config.json", ["select.strategy=k_center"]).select
    assert changed == config.Select(**{**asked, "strategy": "k_center"})


def test_a_run_trains_on_what_was_selected(read: Read, tmp_path: Path) -> None:
    home = pipeline.train(read(select__strategy="k_center", select__budget=0.5)).home
    assert records.read_json(home / "selection.json")["rows"] == TRAIN // 2
    assert history(home)[-1]["step"] == 2 * TRAIN // 2 // 8  # two epochs of half of the rows


def test_every_documented_key_is_tested() -> None:
    keys = {key for key in vocabulary.known_keys(finetune_pipeline.Config) if "." in key}
    assert keys == TESTED


# ---- what is wrong is one line


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"training__lerning_rate": 1}, "unknown key 'training.lerning_rate' in train_config.json: did you mean"),
        ({"data__train_ratio": 0.95}, "data.train_ratio + data.val_ratio must be at most 1"),
        ({"training__mixed_precision": "fp8"}, "training.mixed_precision"),
        ({"paths__dataset_path": "nowhere.json"}, "'tithe prepare' makes one"),
        ({"paths__base_model_dir": "./nowhere"}, "no folder"),
        ({"paths__label_mapping_path": "nowhere.json"}, "no file nowhere.json"),
    ],
)
def test_mistakes_are_one_line_with_the_cure(changes: dict[str, Any], says: str, read: Read) -> None:
    with pytest.raises(InputError) as caught:
        pipeline.check(read(**changes))
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("mapping", ['{"a": "x", "b": "x"}', "[1]", '{"a": 1}'])
def test_a_mapping_that_is_none_is_refused(mapping: str, read: Read, tmp_path: Path) -> None:
    (tmp_path / "mapping.json").write_text(mapping)
    with pytest.raises(InputError, match=r"mapping\.json is no mapping of classes to distinct symbols"):
        pipeline.check(read(paths__label_mapping_path=str(tmp_path / "mapping.json")))


def test_a_symbol_without_a_class_is_counted_and_listed(read: Read, prepared: Path) -> None:
    mapping = records.read_json(prepared / "output_to_symbol.json")
    records.write_json(prepared / "output_to_symbol.json", {k: v for k, v in mapping.items() if v != "b"})
    splits = data.load(read().data, 0)
    assert splits.report["dropped"] == {"unknown_symbol": 20} and len(splits.labels) == 2
    assert {row["reason"] for row in records.read_lines(splits.dropped)} == {"unknown_symbol"}


# ---- where paths count from


def test_paths_count_from_here_or_from_above_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "repo"
    (root / "finetune_pipeline/configs").mkdir(parents=True)
    (root / "finetune_pipeline/data/combined_processed").mkdir(parents=True)
    dataset = root / "finetune_pipeline/data/combined_processed/combined_dataset.json"
    dataset.write_text("[]")
    file = root / "finetune_pipeline/configs/train_config.json"
    shutil.copyfile(PROJECT / "configs/train_config.json", file)
    monkeypatch.chdir(root)
    assert config.load("finetune_pipeline/configs/train_config.json").data.path == str(dataset.relative_to(root))
    monkeypatch.chdir(tmp_path)
    run = config.load(file)
    assert run.data.path == str(dataset) and run.name == "train_config"
    assert run.out == str(root / "finetune_pipeline/artifacts") + "/{time}"


def test_experiments_change_one_factor_each() -> None:
    def flat(name: str) -> dict[str, Any]:
        raw = json.loads((PROJECT / f"configs/{name}.json").read_text())
        config.parse(raw)
        return {f"{section}.{key}": value for section, values in raw.items() for key, value in values.items()}

    baseline = flat("experiment_a_baseline")
    assert baseline == flat("train_config")
    for file in (PROJECT / "configs").glob("experiment_[bcd]*.json"):
        other = flat(file.stem)
        assert sum(other[key] != baseline[key] for key in baseline) == 1 and other.keys() == baseline.keys()


# ---- the project, as a student meets it


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with raw parts, in a folder of its own; returns the folder above it."""
    shutil.copytree(
        PROJECT,
        tmp_path / "finetune_pipeline",
        ignore=lambda folder, names: [n for n in names if n in ("artifacts", "combined_processed", "tiny-ModernBERT")],
    )
    shutil.rmtree(tmp_path / "finetune_pipeline/data/raw")
    write_parts(tmp_path / "finetune_pipeline/data/raw")
    return tmp_path


def command(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_the_documented_commands_run_as_written(project: Path) -> None:
    missing = command(project, "finetune_pipeline/scripts/train.py")
    assert missing.returncode == 2 and "'tithe prepare' makes one" in missing.stderr
    done = command(project, "finetune_pipeline/scripts/preprocess_data.py")
    assert done.returncode == 0, done.stderr
    combined = project / "finetune_pipeline/data/combined_processed"
    assert {"combined_dataset.json", "output_to_symbol.json"} <= {p.name for p in combined.iterdir()}
    assert {record["output"] for record in json.loads((combined / "combined_dataset.json").read_text())} == set("abc")
    no_model = command(project, "finetune_pipeline/scripts/train.py")
    assert no_model.returncode == 2 and "its README.md says how" in no_model.stderr
    made = command(project, "finetune_pipeline/scripts/make_tiny_model.py", "--layers", "2", "--hidden-size", "32")
    assert made.returncode == 0, made.stderr
    path = project / "finetune_pipeline/configs/train_config.json"
    raw = json.loads(path.read_text())
    raw["paths"]["base_model_dir"] = "finetune_pipeline/base_models/tiny-ModernBERT"
    raw["training"]["epochs"] = 1
    path.write_text(json.dumps(raw))
    result = command(
        project, "finetune_pipeline/scripts/train.py", "--config", "finetune_pipeline/configs/train_config.json"
    )
    assert result.returncode == 0, result.stderr
    assert "best checkpoint  finetune_pipeline/artifacts/" in result.stdout
    (home,) = (project / "finetune_pipeline/artifacts").iterdir()
    verified = command(project, "-m", "tithe", "verify", str(home))
    assert verified.returncode == 0 and "no frozen tensor changed" in verified.stdout, verified.stderr


def test_a_missing_config_names_the_cure(project: Path) -> None:
    result = command(project, "finetune_pipeline/scripts/train.py", "--config", "nowhere.json")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "no config file nowhere.json" in result.stderr and "pass its whole path" in result.stderr


def test_without_the_package_the_script_says_how_to_install_it(project: Path) -> None:
    result = command(project, "-S", "finetune_pipeline/scripts/train.py")  # -S: no site-packages
    assert result.returncode == 1 and "is not installed in this Python" in result.stderr
    assert "Traceback" not in result.stderr


def test_raw_parts_are_made_from_a_labelled_file(rows: Path, tmp_path: Path) -> None:
    result = command(
        tmp_path, str(PROJECT / "scripts/make_raw_parts.py"), str(rows), "--out", str(tmp_path / "raw"), "--per-part=50"
    )
    assert result.returncode == 0, result.stderr
    merged = prepare.merge(tmp_path / "raw", tmp_path / "out")
    assert merged.records == 120 and list(merged.parts.values()) == [50, 50, 20]


def test_a_tiny_model_is_a_real_one_and_the_same_every_time(tmp_path: Path) -> None:
    texts, _ = make_texts(40, 3)
    for name in ("one", "two"):
        parameters = tiny.modernbert(tmp_path / name, iter(texts), hidden_size=32, layers=2, vocabulary=300)
    model = AutoModel.from_pretrained(tmp_path / "one")
    assert isinstance(model, ModernBertModel) and sum(p.numel() for p in model.parameters()) == parameters
    assert (
        AutoTokenizer.from_pretrained(tmp_path / "one")
        .decode(AutoTokenizer.from_pretrained(tmp_path / "one")("суп и goal")["input_ids"], skip_special_tokens=True)
        .strip()
        == "суп и goal"
    )
    assert (tmp_path / "one/manifest.json").read_bytes() == (tmp_path / "two/manifest.json").read_bytes()
