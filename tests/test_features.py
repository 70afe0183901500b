"""Features of a frozen encoder: the same numbers as without them, computed once, never stale, never lost by a kill."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from conftest import asked_after, make_texts, write_rows
from test_resume import run, sha, wait_for
from test_text_task import copied
from tithe import (
    cache,
    checkpoint,
    config,
    data,
    devices,
    features,
    interrupts,
    network,
    pipeline,
    predict,
    records,
    trained,
)
from tithe.errors import InputError, Interrupted, TitheError

Settings = Callable[..., dict[str, Any]]
HIT = "the encoder does not run"


@pytest.fixture
def frozen(settings: Settings) -> Settings:
    """Settings of a head on a frozen encoder; keyword arguments go into their sections."""

    def build(**sections: Any) -> dict[str, Any]:
        model = {"freeze": "all", "head": "mlp", "hidden_dim": 16, **sections.pop("model", {})}
        return settings(model=model, **sections)

    return build


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "tithe")
    return caplog


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows in each forward pass of an encoder."""
    from transformers import BertModel, ModernBertModel

    seen: list[int] = []
    for kind in (BertModel, ModernBertModel):

        def counted(self: Any, *args: Any, real: Any = kind.forward, **kwargs: Any) -> Any:
            seen.append(len(kwargs["input_ids"]))
            return real(self, *args, **kwargs)

        monkeypatch.setattr(kind, "forward", counted)
    return seen


def built(raw: dict[str, Any]) -> tuple[network.Network, Any]:
    """What a run does up to its training."""
    parsed = config.parse(raw)
    accelerator = devices.accelerator(parsed.train.device, parsed.train.precision)
    task, splits = pipeline.check(parsed), data.load(parsed.data, parsed.seed)
    return network.build(parsed, task, len(splits.labels), task.encode(splits.everything), accelerator)


def stored() -> list[Path]:
    """The whole features in the cache."""
    found = (records.cache_dir() / "features").glob("*/features.npy")
    return sorted(path for path in found if not path.parent.name.endswith("-unfinished"))


def history(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "history.jsonl").read_text().splitlines()]


def numbers(value: Any, at: str = "") -> dict[str, float]:
    """Every number in a nested value by its path."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, below in items for k, v in numbers(below, f"{at}/{key}").items()}
    return {at: float(value)} if isinstance(value, int | float) else {}


def predicted(home: Path, part: str) -> Any:
    return pq.read_table(home / part / "predictions.parquet")


# ---- the same numbers


@pytest.mark.parametrize("encoder", ["tiny_bert", "tiny_modernbert"])
@pytest.mark.parametrize("grouped", [True, False])
def test_scores_and_weights_are_those_of_a_run_without_the_cache(
    encoder: str, grouped: bool, frozen: Settings, tmp_path: Path, request: pytest.FixtureRequest, passes: list[int]
) -> None:
    texts, labels = make_texts(60)
    kept = [i for i, label in enumerate(labels) if label == "sport" or i % 2]  # one class is repeated for balance
    path = write_rows(tmp_path / "uneven.parquet", [texts[i] for i in kept], [labels[i] for i in kept])
    raw = frozen(
        data={"path": str(path), "upsample": True},
        model={"encoder": str(request.getfixturevalue(encoder)), "dropout": 0.3, "hidden_dim": 64},
        train={"epochs": 3, "accumulation_steps": 2, "group_by_length": grouped, "learning_rate": 3e-2},
    )
    found = {}
    for cached in (True, False):
        passes.clear()
        raw["train"]["cache_features"] = cached
        found[cached] = run({**raw, "out": str(tmp_path / f"cached {cached}")})
        assert (sum(passes) < 2 * len(kept)) is cached
    with_cache, without = found[True], found[False]
    lines = [history(outcome.home) for outcome in (with_cache, without)]
    assert [list(line) for line in lines[0]] == [list(line) for line in lines[1]] and len(lines[0]) > 4
    assert numbers(lines[0]) == pytest.approx(numbers(lines[1]), abs=1e-5)
    for part in ("validation", "test"):
        assert numbers(with_cache.scores[part]) == pytest.approx(numbers(without.scores[part]), abs=1e-5)
        assert predicted(with_cache.home, part)["row"] == predicted(without.home, part)["row"]
        probs = [predicted(o.home, part)["probability_of_label"].to_numpy() for o in (with_cache, without)]
        np.testing.assert_allclose(*probs, rtol=0, atol=1e-5)
        assert np.ptp(probs[0]) > 0.02, "it has learnt something"
    last = [checkpoint.newest_whole(o.home / "checkpoints") for o in (with_cache, without)]
    heads, full = (checkpoint.weights(path) for path in last)
    assert set(heads) == {name for name in full if name.startswith("head.")}
    for name, value in heads.items():
        torch.testing.assert_close(value, full[name], rtol=0, atol=1e-5)


def test_features_are_the_embeddings_of_the_rows(frozen: Settings, tiny_modernbert: Path) -> None:
    raw = frozen(model={"encoder": str(tiny_modernbert)})
    net, found = built(raw)
    parsed = config.parse(raw)
    splits = data.load(parsed.data, parsed.seed)
    examples = pipeline.check(parsed).encode(splits.everything)
    assert found.values.dtype == np.float32 and isinstance(found.values, np.memmap)
    np.testing.assert_allclose(found.values, predict.embeddings(net.whole, examples), rtol=0, atol=1e-5)
    view = found.take(splits.train).take(np.array([5, 2, 2]))
    rows = splits.train[[5, 2, 2]]
    batch = view.collate(np.arange(3))
    assert torch.equal(batch["embeddings"], torch.from_numpy(np.array(found.values[rows])))
    assert batch["labels"].tolist() == examples.labels[rows].tolist() == view.labels.tolist()
    assert view.ids.tolist() == examples.ids[rows].tolist()
    assert view.lengths.tolist() == examples.lengths[rows].tolist()


# ---- computed once


def test_the_second_run_does_not_call_the_encoder(
    frozen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    from transformers import BertModel

    first = run(frozen(train={"epochs": 1}, out=str(tmp_path / "first")))
    assert HIT not in log.text

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the encoder ran")

    monkeypatch.setattr(BertModel, "forward", refuse)
    second = run(frozen(train={"epochs": 1}, out=str(tmp_path / "second")))
    assert f"{HIT}: features of 120 rows are in the cache" in log.text
    assert sha(second) == sha(first)
    assert (tmp_path / "first/history.jsonl").read_bytes() == (tmp_path / "second/history.jsonl").read_bytes()


def other_labels(raw: dict[str, Any], tmp_path: Path) -> None:
    texts, labels = make_texts(60)
    raw["data"]["path"] = str(write_rows(tmp_path / "labels.parquet", texts, [f"not {label}" for label in labels]))


def the_encoder_elsewhere(raw: dict[str, Any], tmp_path: Path) -> None:
    raw["model"]["encoder"] = str(copied(Path(raw["model"]["encoder"]), tmp_path / "elsewhere"))


def setting(section: str, **values: Any) -> Callable[[dict[str, Any], Path], None]:
    def change(raw: dict[str, Any], tmp_path: Path) -> None:
        raw[section] = {**raw[section], **values}

    change.__name__ = "_".join(values)
    return change


def other_seed(raw: dict[str, Any], tmp_path: Path) -> None:
    raw["seed"] = 7


@pytest.mark.parametrize(
    "change",
    [
        other_labels,
        the_encoder_elsewhere,
        other_seed,
        setting("model", head="linear"),
        setting("model", dropout=0.5),
        setting("train", learning_rate=1e-2),
        setting("train", batch_size=4),
        setting("train", group_by_length=False),
        setting("data", val_ratio=0.3),
    ],
)
def test_what_does_not_reach_the_encoder_costs_no_second_pass(
    change: Callable[[dict[str, Any], Path], None], frozen: Settings, tmp_path: Path, passes: list[int]
) -> None:
    first = np.array(built(frozen())[1].values)
    assert passes
    passes.clear()
    raw = frozen()
    change(raw, tmp_path)
    found = built(raw)[1]
    assert not passes and len(stored()) == 1 and np.array_equal(found.values, first)


# ---- never stale


def rewritten(raw: dict[str, Any], tmp_path: Path) -> Path:
    home = copied(Path(raw["model"]["encoder"]), tmp_path / "encoder")
    raw["model"]["encoder"] = str(home)
    return home


def other_weights(raw: dict[str, Any], tmp_path: Path, change: Callable[[torch.Tensor], object]) -> None:
    from safetensors.torch import load_file, save_file

    path = rewritten(raw, tmp_path) / "model.safetensors"
    weights = load_file(path)
    change(weights["encoder.layer.0.output.dense.weight"])
    save_file(weights, path, metadata={"format": "pt"})


def one_weight(raw: dict[str, Any], tmp_path: Path) -> None:
    other_weights(raw, tmp_path, lambda weight: weight[3, 4].add_(1))


def the_last_bit_of_a_weight(raw: dict[str, Any], tmp_path: Path) -> None:
    other_weights(raw, tmp_path, lambda weight: weight.view(torch.int32)[3, 4].bitwise_xor_(1))


def encoder_config(**changes: Any) -> Callable[[dict[str, Any], Path], None]:
    """The same weights in an encoder that computes something else of them."""

    def change(raw: dict[str, Any], tmp_path: Path) -> None:
        path = rewritten(raw, tmp_path) / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    change.__name__ = "encoder_config_" + "_".join(changes)
    return change


def tokenizer_state(raw: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = rewritten(raw, tmp_path) / "tokenizer.json"
    state = json.loads(path.read_text())
    change(state)
    path.write_text(json.dumps(state))


def other_order_of_words(raw: dict[str, Any], tmp_path: Path) -> None:
    def swap(state: dict[str, Any]) -> None:
        vocab = state["model"]["vocab"]
        vocab["goal"], vocab["moon"] = vocab["moon"], vocab["goal"]

    tokenizer_state(raw, tmp_path, swap)


def no_special_tokens(raw: dict[str, Any], tmp_path: Path) -> None:
    tokenizer_state(raw, tmp_path, lambda state: state.update(post_processor=None))


def one_text(raw: dict[str, Any], tmp_path: Path) -> None:
    texts, labels = make_texts(60)
    texts[17] = f"{texts[17]} goal"
    raw["data"]["path"] = str(write_rows(tmp_path / "text.parquet", texts, labels))


def rows_in_another_order(raw: dict[str, Any], tmp_path: Path) -> None:
    texts, labels = make_texts(60)
    raw["data"]["path"] = str(write_rows(tmp_path / "order.parquet", texts[::-1], labels[::-1]))


@pytest.mark.parametrize(
    "change",
    [
        one_weight,
        the_last_bit_of_a_weight,
        encoder_config(hidden_act="relu"),
        encoder_config(layer_norm_eps=0.1),
        encoder_config(num_attention_heads=4),
        other_order_of_words,
        no_special_tokens,
        one_text,
        rows_in_another_order,
        setting("model", max_length=8),
        setting("model", pooling="cls"),
        setting("model", attention="eager"),
        setting("train", precision="bf16"),
    ],
)
def test_whatever_reaches_the_encoder_computes_anew(
    change: Callable[[dict[str, Any], Path], None],
    frozen: Settings,
    tmp_path: Path,
    passes: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: True)  # where it is not, bf16 is not used
    first = np.array(built(frozen())[1].values)
    passes.clear()
    raw = frozen()
    change(raw, tmp_path)
    net, found = built(raw)
    assert sum(passes) >= 120 and len(stored()) == 2, "the old features were used for another encoder or input"
    if change.__name__ not in ("attention", "the_last_bit_of_a_weight"):  # these may end in the same numbers
        assert not np.array_equal(found.values, first)
    if change.__name__ == "precision":
        return
    parsed = config.parse(raw)
    rows = data.load(parsed.data, parsed.seed).everything
    fresh = predict.embeddings(net.whole, pipeline.check(parsed).encode(rows))
    np.testing.assert_allclose(found.values, fresh, rtol=0, atol=1e-5)


def test_damaged_features_are_computed_anew(frozen: Settings, passes: list[int]) -> None:
    expected = np.array(built(frozen())[1].values)
    path = stored()[0]
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    passes.clear()
    assert np.array_equal(built(frozen())[1].values, expected) and sum(passes) >= 120
    passes.clear()
    assert np.array_equal(built(frozen())[1].values, expected) and not passes


# ---- stopped on the way


# In a process of its own, batches of eight rows, slow enough to be stopped among them: the command, or as much of a run
# as comes before its training.
SLOW = """
import sys, time
from tithe import features, predict
features._SECONDS_BETWEEN_SYNCS, features._ROWS = 0, 8
real = predict.one_batch
def slowly(model, function, *rest):
    time.sleep({seconds} if getattr(function, "__name__", "") == "embed" else 0)
    return real(model, function, *rest)
predict.one_batch = slowly
"""
COMMAND = """
from tithe import cli
sys.argv = ["tithe", "train", *sys.argv[1:]]
cli.main()
"""
PREPARATION = """
import logging, test_features
from tithe import config
logging.getLogger("tithe").setLevel(logging.INFO)
logging.getLogger("tithe").addHandler(logging.StreamHandler())
print(test_features.built(config.dump(config.load(sys.argv[1])))[1].values.sum())
"""


def slow(raw: dict[str, Any], folder: Path, seconds: float, work: str = COMMAND) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(raw))
    command = [sys.executable, "-c", SLOW.format(seconds=seconds) + work, str(folder / "config.json")]
    with (folder / "log.txt").open("w") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, text=True, cwd=Path(__file__).parent)


def wait_for_batches(count: int, process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        done = list((records.cache_dir() / "features").glob("*-unfinished/done"))
        if done and int(done[0].read_text()) >= count:
            return
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.02)
    raise AssertionError("no features were computed")


def test_stopped_while_the_encoder_runs_it_goes_on_there(
    frozen: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    passes: list[int],
    log: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(features, "_ROWS", 8)
    raw = frozen(train={"epochs": 1})
    for signum, code, batches in ((signal.SIGINT, 130, 3), (signal.SIGKILL, -9, 6)):
        process = slow(raw, tmp_path / "slow", seconds=0.2)
        wait_for_batches(batches, process)
        process.send_signal(signum)
        assert process.wait(60) == code
        said = (tmp_path / "slow/log.txt").read_text()
        assert "Traceback" not in said and not stored() and not (tmp_path / "run").exists()
        last = said.splitlines()[-1]
        if signum == signal.SIGINT:
            assert last == "stopped; the features so far are kept: run again to go on"
        else:
            assert last.startswith("going on with the features after batch")
    resumed = run(raw)
    assert "going on with the features after batch" in log.text
    # One row more tells the width of the features.
    assert 0 < sum(passes) <= 120 - 6 * 8 + 1, "what was done was done again"
    kept = stored()[0].read_bytes()
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "cold"))
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert stored()[0].read_bytes() == kept and sha(resumed) == sha(whole)
    assert not list((tmp_path / "cold/features").glob("*/done"))


def test_two_at_once_compute_once(frozen: Settings, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    both = [slow(frozen(), folder, seconds=0.1, work=PREPARATION) for folder in folders]
    codes, logs = [process.wait(120) for process in both], [(f / "log.txt").read_text() for f in folders]
    assert codes == [0, 0], logs
    assert sorted(HIT in text for text in logs) == [False, True], "one computes, and one finds"
    assert len({text.splitlines()[-1] for text in logs}) == 1 and len(stored()) == 1
    assert not records.broken_files(stored()[0].parent)


def test_a_cache_that_is_cleared_meanwhile_is_not_taken_for_whole(
    frozen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_ROWS", 8)
    monkeypatch.setattr(features, "_SECONDS_BETWEEN_SYNCS", 0)
    real, calls = predict.one_batch, []

    def cleared(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:  # what `tithe doctor --cache --clear` does in another terminal
            cache.clear(("features",))
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(predict, "one_batch", cleared)
        with contextlib.suppress(OSError, TitheError):
            built(frozen())
    assert len(calls) > 6
    found = built(frozen())[1]  # at the latest now
    assert np.isfinite(found.values).all() and found.values.any(axis=1).all()


def test_what_was_begun_is_room_that_is_already_taken(
    frozen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(features, "_ROWS", 8)
    monkeypatch.setattr(features, "_SECONDS_BETWEEN_SYNCS", 0)
    rows = write_rows(tmp_path / "many.parquet", *make_texts(1000))
    raw, real, calls = frozen(data={"path": str(rows)}), predict.one_batch, []

    class Stop(Exception):
        pass

    def stopping(*args: Any) -> Any:
        calls.append(1)
        if len(calls) > 20:
            raise Stop
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(predict, "one_batch", stopping)
        with pytest.raises(Stop):
            built(raw)
    taken = sum(entry.bytes for entry in cache.entries())
    assert taken > 2000 * 32 * 4
    monkeypatch.setenv("TITHE_CACHE_GB", str((taken + 20_000) / 1e9))
    monkeypatch.setattr(cache, "_in_use", set())  # as in a new process
    built(raw)
    assert "going on with the features after batch 19 of 250" in log.text and "no room" not in log.text


def test_without_room_the_encoder_runs_in_every_epoch(
    frozen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, passes: list[int]
) -> None:
    raw = frozen(train={"epochs": 1})
    without = run({**raw, "out": str(tmp_path / "without"), "train": {**raw["train"], "cache_features": False}})
    passes.clear()
    monkeypatch.setenv("TITHE_CACHE_GB", "1e-6")
    outcome = run(raw)
    warned = [r.getMessage() for r in log.records if r.levelno == logging.WARNING]
    assert len(warned) == 1 and warned[0].startswith("no room to cache 120 features of width 32")
    assert sha(outcome) == sha(without) and sum(passes) >= 120 and not stored()
    for part in ("validation", "test", "best"):
        assert outcome.scores[part] == without.scores[part]
    assert outcome.scores["freeze"] == without.scores["freeze"]


# ---- training on features, stopped and resumed


def unfinished(raw: dict[str, Any], step: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stop a run exactly after a training step; return its newest checkpoint."""
    built(raw)  # so that it is asked for a stop while it trains, and not while the encoder runs

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "Asked", asked_after(step))
        run(raw)
    newest = checkpoint.newest_whole(Path(raw["out"]) / "checkpoints")
    assert newest is not None and newest.name == f"step_{step:08d}"
    return newest


def test_killed_while_the_head_trains_it_ends_in_the_same_bits(frozen: Settings, tmp_path: Path) -> None:
    kept = {"every_batches": 5, "keep": 99}
    raw = frozen(out=str(tmp_path / "run"), train={"epochs": 10}, checkpoint=kept)
    process = slow(raw, tmp_path / "slow", seconds=0)
    wait_for(tmp_path / "run/checkpoints/step_00000015", process)
    process.kill()
    assert process.wait(60) == -9
    assert not (tmp_path / "run/manifest.json").exists(), "it was not killed in time"
    resumed = run({**raw, "checkpoint": {**kept, "resume": "auto"}})
    whole = run({**raw, "out": str(tmp_path / "whole")})
    assert sha(resumed) == sha(whole)
    assert (tmp_path / "run/history.jsonl").read_bytes() == (tmp_path / "whole/history.jsonl").read_bytes()


@pytest.mark.parametrize("before", [True, False])
def test_a_run_is_resumed_with_or_without_its_features(
    before: bool, frozen: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    raw = frozen(train={"cache_features": before, "epochs": 1})
    unfinished(raw, 5, monkeypatch)
    if before:
        monkeypatch.setenv("TITHE_CACHE_GB", "1e-6")  # the disk has filled up since
        shutil.rmtree(records.cache_dir() / "features")
    else:
        raw["train"]["cache_features"] = True
    resumed = run({**raw, "checkpoint": {"resume": "auto"}})
    monkeypatch.delenv("TITHE_CACHE_GB", raising=False)
    whole = run({**raw, "out": str(tmp_path / "whole")})
    for part in ("validation", "test"):
        assert numbers(resumed.scores[part]) == pytest.approx(numbers(whole.scores[part]), abs=1e-5)


# ---- light checkpoints


def of_encoder(file: Path) -> set[str]:
    names = set(torch.load(file, weights_only=True))
    return {name for name in names if name.startswith("encoder.")}


def test_checkpoints_hold_the_head_alone_and_the_best_gets_the_encoder_at_the_end(
    frozen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = frozen(train={"epochs": 2}, checkpoint={"every_batches": 5})
    unfinished(raw, 14, monkeypatch)
    folders = checkpoint.all_in(tmp_path / "run/checkpoints")
    assert {f.name for f in folders} == {"best", "step_00000010", "step_00000014"}
    for folder in folders:
        assert not (folder / "encoder.pt").exists() and not of_encoder(folder / "model.pt")
        assert not records.broken_files(folder)
    outcome = run({**raw, "checkpoint": {**raw["checkpoint"], "resume": "auto"}})
    for folder in checkpoint.all_in(outcome.home / "checkpoints"):
        assert (folder / "encoder.pt").exists() is (folder.name == "best")
        assert not of_encoder(folder / "model.pt") and not records.broken_files(folder)
    assert of_encoder(outcome.best / "encoder.pt") == {
        name for name in trained.load(outcome.best).model.state_dict() if name.startswith("encoder.")
    }


def with_own_encoder(frozen: Settings, tmp_path: Path, folder: Path, **sections: Any) -> tuple[dict[str, Any], Path]:
    home = copied(folder, tmp_path / "own encoder")
    return frozen(model={"encoder": str(home)}, **sections), home


TEXTS = ["goal team win league", "rocket to the moon", "a star of the season was new"]


def test_the_best_needs_nothing_of_its_origin(frozen: Settings, tmp_path: Path, tiny_modernbert: Path) -> None:
    raw, home = with_own_encoder(frozen, tmp_path, tiny_modernbert, train={"epochs": 2, "learning_rate": 1e-2})
    outcome = run(raw)
    expected = predicted(outcome.home, "test")
    shutil.rmtree(home)
    shutil.rmtree(records.cache_dir())
    classifier = trained.load(outcome.home)
    texts = pq.read_table(raw["data"]["path"])["text"].take(expected["row"]).to_pylist()
    found = classifier.predict(texts)
    assert [p.label for p in found] == expected["predicted"].to_pylist()
    np.testing.assert_allclose([p.probability for p in found], expected["probability"].to_numpy(), rtol=0, atol=1e-5)


def test_a_checkpoint_of_an_unfinished_run_predicts_with_the_encoder_it_came_from(
    frozen: Settings,
    tmp_path: Path,
    tiny_bert: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw, home = with_own_encoder(frozen, tmp_path, tiny_bert, train={"learning_rate": 1e-2})
    newest = unfinished(raw, 14, monkeypatch)
    found = trained.load(newest)
    head = torch.load(newest / "model.pt", weights_only=True)
    assert torch.equal(found.model.state_dict()["head.1.weight"], head["head.1.weight"])
    uncached = {**raw, "out": str(tmp_path / "uncached"), "train": {**raw["train"], "cache_features": False}}
    other = trained.load(unfinished(uncached, 14, monkeypatch))
    shutil.rmtree(home)
    expected = [p.probability for p in other.predict(TEXTS)]
    assert [p.probability for p in found.predict(TEXTS)] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(InputError, match="no folder") as error:
        trained.load(newest)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("use", ["predict", "resume"])
@pytest.mark.parametrize(
    "change",
    [one_weight, the_last_bit_of_a_weight, encoder_config(hidden_act="relu"), other_order_of_words],
)
def test_a_head_is_not_put_on_another_encoder(
    change: Callable[[dict[str, Any], Path], None],
    use: str,
    frozen: Settings,
    tmp_path: Path,
    tiny_bert: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw, home = with_own_encoder(frozen, tmp_path, tiny_bert, train={"epochs": 1})
    newest = unfinished(raw, 5, monkeypatch)
    changed = {"model": {"encoder": str(home)}}
    change(changed, tmp_path)
    shutil.rmtree(home)
    Path(changed["model"]["encoder"]).rename(home)
    with pytest.raises(InputError) as error:
        if use == "predict":
            trained.load(newest)
        else:
            run({**raw, "checkpoint": {"resume": "auto"}})
    assert len(str(error.value).splitlines()) == 1
    assert not records.broken_files(newest)
