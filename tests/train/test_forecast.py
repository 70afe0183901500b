"""The memory that a run will need, against what a run then takes, and the refusal of one that will not fit."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import tokenizers
from support.texts import FILLER, TOPICS
from tithe import config, pipeline
from tithe.errors import InputError
from tithe.train import doctor, forecast, memory
from tithe.train.cures import Cure
from tithe.train.doctor import Prognosis
from tithe.train.forecast import Forecast

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built by the global generator

Settings = Callable[..., dict[str, Any]]

AT_ONCE = "train.batch_size=1 train.accumulation_steps=64"

# Trains by a config, and prints the peak of the process's private memory, looked at between the operations.
MEASURED = """
import json, sys, threading, time
from tithe import config, pipeline
from tithe.train import memory

peak, ended = 0, False

def watch():
    global peak
    while not ended:
        peak = max(peak, memory.process_memory("RssAnon"))
        time.sleep(0.002)

watching = threading.Thread(target=watch)
watching.start()
pipeline.train(config.parse(json.loads(sys.argv[1])))
ended = True
watching.join()
print(peak)
"""


def foretold(raw: dict[str, Any]) -> Prognosis:
    return doctor.foretell(pipeline.check(config.parse(raw)))


def needed(f: Forecast) -> int:
    """What follows from sizes: without compiled kernels and what the heap can't use again."""
    return f.weights + f.averages + f.batch


def by_settings(prognosis: Prognosis) -> dict[str, Cure]:
    return {cure.settings: cure for cure in prognosis.cures}


def test_what_is_trained_has_a_gradient_and_two_averages(settings: Settings) -> None:
    raw = settings(model={"trim_vocabulary": False})
    task = pipeline.check(config.parse(raw))
    trained = 4 * sum(p.numel() for p in task.build(2, 0).parameters())
    f = foretold(raw).forecast
    assert (f.gradients, f.averages) == (trained, 2 * trained)
    assert f.peak == f.present + f.growth and needed(f) == f.weights + f.averages + f.batch
    halved = foretold({**raw, "train": {**raw["train"], "optimizer_state": "bf16"}}).forecast.averages
    assert trained < halved < 1.1 * trained  # those of vectors stay as they are
    averaged = foretold({**raw, "train": {**raw["train"], "ema_decay": 0.9}}).forecast
    assert averaged.averages == 3 * trained


def test_a_batch_is_beside_the_gradients_only_where_they_are_accumulated(settings: Settings) -> None:
    f = foretold(settings(train={"batch_size": 1})).forecast
    assert f.training.per_row > 10 * f.evaluation.per_row / 4 > 0
    for rows in (1, 2, 64):
        states = f.training.fixed + rows * f.training.per_row
        sized = dataclasses.replace(f, batch_size=rows, evaluated_rows=0)
        assert sized.batch == max(states, f.gradients)
        assert dataclasses.replace(sized, accumulates=True).batch == states + f.gradients
    assert dataclasses.replace(f, evaluated_rows=10_000).batch == f.evaluation.at(10_000) > f.training.at(1)


def test_the_heap_loses_room_between_large_states_alone(settings: Settings) -> None:
    f = foretold(settings()).forecast
    encoder = pipeline.check(config.parse(settings())).build(2, 0).encoder.config
    assert (f.layers, f.state % (4 * encoder.hidden_size), f.lost) == (encoder.num_hidden_layers, 0, 0)
    large = dataclasses.replace(f, state=1 << 20, layers=4, batch_size=16, evaluated_rows=0)
    assert large.lost == 5 * 4 * 16 << 20
    small = dataclasses.replace(large, batch_size=8)
    assert small.lost == 0 and large.growth - small.growth >= large.lost


@pytest.mark.parametrize("state", ["float32", "bf16"])
def test_every_cure_is_what_its_settings_then_need(state: str, settings: Settings) -> None:
    raw = settings(model={"trim_vocabulary": False}, train={"batch_size": 64, "optimizer_state": state})
    prognosis = foretold(raw)
    cures = by_settings(prognosis)
    together = next(name for name in cures if name.count("=") == 4)
    halved = {"train.optimizer_state=bf16"} if state == "float32" else set()
    others = {c.settings for c in prognosis.cures if not c.keeps_result}
    assert others == {"model.lora.rank=8", "model.freeze=all"} | halved
    for name, cure in cures.items():
        changed = config.dump(config.parse(raw, name.split()))
        then = doctor.foretell(pipeline.check(config.parse(changed))).forecast
        assert needed(cure.forecast) < needed(prognosis.forecast), name
        # With adapters the layers keep a little more, and evaluation has the sums.
        assert needed(cure.forecast) == pytest.approx(needed(then), rel=0.02 if cure.keeps_result else 0.35), name
    assert cures[together].forecast.growth == min(c.forecast.growth for c in prognosis.cures if c.keeps_result)


def test_a_frozen_encoder_needs_one_pass(settings: Settings) -> None:
    f = foretold(settings(model={"freeze": "all"})).forecast
    assert f.training.at(100) == 0 and f.evaluation.per_row > 0
    assert f.gradients < foretold(settings()).forecast.gradients / 10


@pytest.mark.skipif(memory.free_memory() is None, reason="needs /proc")
@pytest.mark.parametrize("train", [{"batch_size": 4}, {"batch_size": 16, "accumulation_steps": 2}], ids=str)
def test_a_run_takes_what_was_foretold(train: dict[str, Any], rows: Path, settings: Settings, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    _save_encoder(encoder)
    raw = settings(model={"encoder": str(encoder), "max_length": 64}, train={**train, "epochs": 1})
    (tmp_path / "config.json").write_text(json.dumps(raw))
    found = json.loads(_printed("-m", "tithe", "doctor", str(tmp_path / "config.json"), "--json"))
    measured = int(_printed("-c", MEASURED, json.dumps(raw)).split()[-1])
    assert found["peak"] == pytest.approx(measured, rel=0.15)
    assert found["growth"] > 370e6


def _printed(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout


def _save_encoder(folder: Path) -> None:
    """An encoder of which weights, gradients and averages take 340 MB."""
    from transformers import BertConfig, BertModel

    words = [*FILLER, *TOPICS["sport"], *TOPICS["space"]]
    vocabulary = [*words, *(f"unused{i}" for i in range(10_000))]
    tokenizer = tokenizers.words(vocabulary=vocabulary)
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 6, "num_attention_heads": 8}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    monkeypatch.setattr(forecast, "KERNELS", 0)  # more than the whole network here

    def leave(free: int) -> None:
        monkeypatch.setattr(memory, "free_memory", lambda: free)

    return leave


def test_a_run_that_will_not_fit_is_refused_with_what_does(
    settings: Settings, little_memory: Callable[[int], None], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    raw = settings(model={"trim_vocabulary": False}, train={"batch_size": 64})
    prognosis = foretold(raw)
    smaller = by_settings(prognosis)[AT_ONCE].forecast.growth
    assert smaller < 0.8 * prognosis.forecast.growth
    little_memory(smaller)
    with pytest.raises(InputError) as refused:
        pipeline.train(config.parse(raw))
    assert f"are free: set {AT_ONCE} (" in str(refused.value)
    assert not (tmp_path / "run").exists()
    changed = {**raw, "train": {**raw["train"], "batch_size": 1, "accumulation_steps": 64}}
    assert pipeline.train(config.parse(changed)).scores["test"]
    little_memory(int(0.9 * prognosis.forecast.growth))
    with caplog.at_level(logging.WARNING, logger="tithe"):
        pipeline.train(config.parse(raw), overwrite=True)
    assert "the system may stop it" in caplog.text
    little_memory(1)
    with pytest.raises(InputError, match="close other programs"):
        pipeline.train(config.parse(raw), overwrite=True)
