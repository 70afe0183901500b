"""The queue: what shares a batch, what is refused, and what becomes of clients that leave or wait too long."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from support.serving import Client, Gated, Reply, with_server
from tithe.errors import TitheError
from tithe.predict import Explanation
from tithe.serve.limits import Limits
from tithe.serve.predictor import Checkpoint


def words(*counts: int) -> list[str]:
    """Texts of so many words, each of which is a token; two more are special."""
    return [" ".join(["goal"] * count) for count in counts]


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.001)


async def metric(client: Client, name: str) -> float:
    page = (await client.send("GET", "/metrics")).body.decode()
    found = re.search(rf"^{re.escape(name)} (.*)$", page, re.MULTILINE)
    assert found, page
    return float(found[1])


CUTS: list[tuple[Limits, list[int], list[list[int]]]] = [
    (Limits(), [8, 8, 8], [[10, 10, 10]]),
    (Limits(), [3, 30, 4, 28], [[5, 6], [32, 30]]),  # those near to the first in length
    (Limits(rows=2), [8, 9, 8, 9], [[10, 10], [11, 11]]),
    (Limits(tokens=30), [8, 8, 8, 8], [[10, 10, 10], [10]]),
    (Limits(tokens=20), [28, 3], [[30], [5]]),  # a text with more tokens than that is a batch of its own
]


@pytest.mark.parametrize(("limits", "counts", "batches"), CUTS)
def test_batches_are_of_similar_lengths(
    limits: Limits, counts: list[int], batches: list[list[int]], gated: Gated
) -> None:
    gated.let.set()
    reply = with_server(gated, lambda client: client.ask(words(*counts)), limits)
    assert gated.batches == batches
    alone = [gated.inner.model.predict([text])[0].probability for text in words(*counts)]
    assert [each["probability"] for each in reply.json["predictions"]] == pytest.approx(alone, abs=1e-6)


def test_requests_that_wait_for_the_model_share_its_next_batch(gated: Gated) -> None:
    async def talk(client: Client) -> list[Reply]:
        first = asyncio.create_task(client.ask("goal"))
        await until(lambda: gated.asked == 1)
        others = [asyncio.create_task(client.ask(text)) for text in words(2, 3, 4)]
        while await metric(client, "tithe_queue_texts") < 4:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        gated.let.set()
        return [await each for each in (first, *others)]

    assert {reply.status for reply in with_server(gated, talk)} == {200}
    assert gated.batches == [[3], [4, 5, 6]]


def test_a_full_queue_refuses_and_says_when_to_come_back(gated: Gated) -> None:
    async def talk(client: Client) -> tuple[Reply, Reply, Reply]:
        waiting = asyncio.create_task(client.ask(words(1, 2, 3)))
        await until(lambda: gated.asked == 1)
        refused = await client.ask(words(1, 2))
        gated.let.set()
        return refused, await waiting, await client.ask(words(1, 2))

    refused, waited, later = with_server(gated, talk, Limits(queue=4))
    assert refused.status == 429 and refused.json["error"].startswith("3 texts are waiting, 4 at most")
    assert int(refused.headers["retry-after"]) >= 1
    assert (waited.status, later.status) == (200, 200)


def test_an_answer_that_takes_too_long_is_given_up(gated: Gated) -> None:
    async def talk(client: Client) -> tuple[Reply, float]:
        reply = await client.ask(words(1, 2))
        waiting = await metric(client, "tithe_queue_texts")
        gated.let.set()
        return reply, waiting

    reply, waiting = with_server(gated, talk, Limits(answer_seconds=0.05))
    assert reply.status == 503 and reply.json["error"].startswith("no answer within 0.05 s")
    assert int(reply.headers["retry-after"]) >= 1 and waiting == 0


def test_texts_of_a_client_that_leaves_are_not_computed(gated: Gated) -> None:
    async def talk(client: Client) -> tuple[int, float]:
        leave = asyncio.Event()
        first = asyncio.create_task(client.ask("goal"))
        await until(lambda: gated.asked == 1)
        gone = asyncio.create_task(client.send("POST", "/predict", [b'{"texts": "a b c d"}'], leave=leave))
        while await metric(client, "tithe_queue_texts") < 2:
            await asyncio.sleep(0.001)
        leave.set()
        status = (await gone).status
        waiting = await metric(client, "tithe_queue_texts")
        gated.let.set()
        assert (await first).status == 200 and (await client.ask("goal")).status == 200
        return status, waiting

    assert with_server(gated, talk) == (499, 1)
    assert gated.batches == [[3], [3]]


def test_a_text_that_the_model_fails_at_fails_alone(gated: Gated, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(client: Client) -> tuple[list[Reply], float]:
        first = asyncio.create_task(client.ask("goal"))
        await until(lambda: gated.asked == 1)
        others = [asyncio.create_task(client.ask(text)) for text in words(2, 3, 4)]
        while await metric(client, "tithe_queue_texts") < 4:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        gated.let.set()
        return [await each for each in (first, *others)], await metric(client, "tithe_failed_texts_total")

    gated.fails = {5}
    replies, failed = with_server(gated, talk)
    assert [reply.status for reply in replies] == [200, 200, 500, 200] and failed == 1
    assert replies[2].json == {"error": "the model failed at this text (ValueError)"}
    assert "an encoder's own error" in caplog.text
    assert gated.asked == 5 and gated.batches == [[3], [4], [6]], "the three shared a batch, and then each was alone"


def test_a_text_that_can_t_be_explained_is_counted_as_failed(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explain(self: Checkpoint, text: str) -> Explanation:
        raise TitheError("not finite")

    async def talk(client: Client) -> tuple[Reply, float, float]:
        reply = await client.ask("goal", explain=True)
        names = "tithe_failed_texts_total", "tithe_explained_texts_total"
        failed, explained = [await metric(client, name) for name in names]
        return reply, failed, explained

    monkeypatch.setattr(Checkpoint, "explain", explain)
    reply, failed, explained = with_server(checkpoint, talk)
    assert (reply.status, reply.json, failed, explained) == (500, {"error": "not finite"}, 1, 0)


def test_what_is_counted(checkpoint: Checkpoint) -> None:
    async def talk(client: Client) -> str:
        await client.ask(words(1, 2, 60))
        await client.ask(words(60), explain=True)
        await client.send("POST", "/predict", [b"{"])
        await client.send("GET", "/a/path/of/its/own")
        return (await client.send("GET", "/metrics")).body.decode()

    page = with_server(checkpoint, talk)
    for line in (
        'tithe_requests_total{code="200",path="/predict"} 2.0',
        'tithe_requests_total{code="422",path="/predict"} 1.0',
        'tithe_requests_total{code="404",path="other"} 1.0',
        'tithe_request_seconds_count{path="/predict"} 3.0',
        "tithe_batch_texts_sum 3.0",
        "tithe_texts_total 4.0",
        "tithe_explained_texts_total 1.0",
        "tithe_truncated_texts_total 2.0",
        "tithe_abstained_texts_total 0.0",
        "tithe_queue_texts 0.0",
        "process_open_fds",
    ):
        assert line in page, page
