"""The random stream of a run, and where it continues."""

from __future__ import annotations

import torch

from tithe.train.random_stream import RandomStream

CPU = torch.device("cpu")


def test_a_snapshot_continues_the_stream() -> None:
    stream = RandomStream(1, CPU)
    with stream.active():
        torch.rand(3)
    saved = stream.gathered()
    with stream.active():
        expected = torch.rand(3)
    other = RandomStream(2, CPU)
    other.restore(saved)
    with other.active():
        assert torch.equal(torch.rand(3), expected)


def test_a_generator_that_the_snapshot_lacks_stays_that_of_the_seed() -> None:
    stream = RandomStream(1, CPU)
    stream.state["cuda"] = seeded = torch.tensor([1, 2, 3])  # as after a start on a GPU
    stream.restore(RandomStream(2, CPU).gathered())
    assert stream.state["cuda"] is seeded


def test_a_snapshot_of_another_number_of_processes_is_left_out() -> None:
    stream = RandomStream(1, CPU)
    before = dict(stream.state)
    stream.restore({"processes": [*RandomStream(2, CPU).gathered()["processes"]] * 2})
    assert all(torch.equal(stream.state[name], value) for name, value in before.items())
