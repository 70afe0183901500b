"""Texts of many requests in common batches, for a model that one thread owns.

A batch begins with the text that has waited longest, and takes those nearest to it in length: little padding, and no
text waits for ever. While the model runs, the next batches gather; a model that is idle waits only if further texts are
being tokenised, and no longer than `Limits.wait_seconds`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from tithe.errors import TitheError
from tithe.predict import Explanation, Prediction
from tithe.report.words import say
from tithe.serve.limits import PASSES_EXPLAINED, Limits
from tithe.serve.meters import Meters
from tithe.serve.predictor import Encoded, Predictor
from tithe.web.refusals import Refusal, busy

logger = logging.getLogger("tithe")

# A batch's longest text may be this much longer than its shortest: more is padding, less is small batches.
_RATIO, _SLACK = 1.25, 8

Answer = Prediction | Explanation
Outcome = Answer | TitheError
Value = TypeVar("Value")


@dataclass(eq=False)
class _Request:
    """The texts of one request and the answers so far."""

    count: int
    done: asyncio.Future[list[Answer]]
    answers: dict[int, Answer] = field(default_factory=dict)

    def put(self, position: int, outcome: Outcome) -> None:
        if self.done.done():
            return  # nobody waits any more
        if isinstance(outcome, TitheError):
            self.done.set_exception(outcome)
            return
        self.answers[position] = outcome
        if len(self.answers) == self.count:
            self.done.set_result([answer for _, answer in sorted(self.answers.items())])


class _Waiting(NamedTuple):
    request: _Request
    position: int
    text: Encoded

    @property
    def length(self) -> int:
        return len(self.text.ids)


class _Explained(NamedTuple):
    request: _Request
    position: int
    text: str


@dataclass
class Batcher:
    """The queue before a model. All methods belong to one event loop."""

    predictor: Predictor
    limits: Limits
    meters: Meters
    _queue: list[_Waiting] = field(default_factory=list)
    _explained: deque[_Explained] = field(default_factory=deque)
    _taken: int = 0
    _tokenising: int = 0
    _seconds_a_text: float = 0.01
    _running: asyncio.Task[None] | None = None
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _tokenizer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "tokenizer"))
    _owner: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "model"))

    async def answer(self, texts: Sequence[str], explain: bool) -> list[Answer]:
        """Return the answer to each text, explained or not.

        A caller that is cancelled takes its texts out of the queue.

        Raises
        ------
        Refusal
            The queue is full (429), the answer takes too long (503), or the model fails (500).
        """
        cost = len(texts) * (PASSES_EXPLAINED if explain else 1)
        self._take_on(cost)
        request = _Request(len(texts), asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                await (self._enqueue_explained if explain else self._enqueue)(request, texts)
                return await request.done
        except TimeoutError:
            within = f"{self.limits.answer_seconds:g}"
            reason = say("no answer within {seconds} s: send fewer texts, or try again", seconds=within)
            raise busy(503, reason, self._backlog) from None
        except TitheError as error:
            raise Refusal(500, str(error)) from None
        finally:
            request.done.cancel()
            self._taken -= cost
            self.meters.queue.set(self._taken)

    @property
    def _backlog(self) -> float:
        """Seconds in which the texts that are taken on will be answered."""
        return self._taken * self._seconds_a_text

    def _take_on(self, cost: int) -> None:
        if self._taken + cost > self.limits.queue:
            most = self.limits.queue
            waiting = say(
                "{count} {count:text is|texts are} waiting, {most} at most: try again", count=self._taken, most=most
            )
            raise busy(429, waiting, self._backlog)
        self._taken += cost
        self.meters.queue.set(self._taken)

    async def _enqueue(self, request: _Request, texts: Sequence[str]) -> None:
        self._tokenising += 1
        try:
            encoded = await self._in(self._tokenizer, lambda: self.predictor.encode(texts))
        finally:
            self._tokenising -= 1
            self._arrived.set()
        self._queue += [_Waiting(request, position, text) for position, text in enumerate(encoded)]

    async def _enqueue_explained(self, request: _Request, texts: Sequence[str]) -> None:
        self._explained.extend(_Explained(request, position, text) for position, text in enumerate(texts))
        self._arrived.set()

    def start(self) -> None:
        """Begin to answer."""
        self._running = asyncio.create_task(self._run())

    @property
    def is_running(self) -> bool:
        """Whether texts are answered."""
        return self._running is not None and not self._running.done()

    async def _run(self) -> None:
        while True:
            if not (self._queue or self._explained):
                self._arrived.clear()
                await self._arrived.wait()
            await self._gather()
            self._queue = [each for each in self._queue if not each.request.done.done()]
            if self._queue:
                await self._answer(self._next_batch())
            if self._explained:
                await self._explain(self._explained.popleft())

    async def _gather(self) -> None:
        """Wait for texts that are being tokenised, if there is room for them in the next batch."""
        until = time.monotonic() + self.limits.wait_seconds
        while self._tokenising and len(self._queue) < self.limits.rows and (left := until - time.monotonic()) > 0:
            self._arrived.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left)

    def _next_batch(self) -> list[_Waiting]:
        first, limits = self._queue[0], self.limits
        batch, longest, shortest = [first], first.length, first.length
        for each in sorted(self._queue[1:], key=lambda other: abs(other.length - first.length)):
            high, low = max(longest, each.length), min(shortest, each.length)
            if high > low * _RATIO + _SLACK:
                continue
            if len(batch) == limits.rows or (len(batch) + 1) * high > limits.tokens:
                break
            batch.append(each)
            longest, shortest = high, low
        chosen = set(map(id, batch))
        self._queue = [each for each in self._queue if id(each) not in chosen]
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        begun = time.monotonic()
        outcomes = await self._in(self._owner, lambda: self._predict([each.text for each in batch]))
        self._seconds_a_text += 0.1 * ((time.monotonic() - begun) / len(batch) - self._seconds_a_text)
        answers = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
        self.meters.batch(answers, len(outcomes) - len(answers))
        for each, outcome in zip(batch, outcomes, strict=True):
            each.request.put(each.position, outcome)

    def _predict(self, batch: list[Encoded]) -> Sequence[Outcome]:
        """Return an answer or an error for each text: one that the model fails at does not fail its neighbours."""
        try:
            return self.predictor.predict(batch)
        except Exception as error:  # whatever an encoder raises
            if len(batch) > 1:
                return [outcome for text in batch for outcome in self._predict([text])]
            return [_expected(error)]

    async def _explain(self, each: _Explained) -> None:
        if each.request.done.done():
            return
        try:
            outcome: Outcome = await self._in(self._owner, lambda: self.predictor.explain(each.text))
        except Exception as error:  # whatever an encoder raises
            outcome = _expected(error)
        self.meters.explanation(outcome.prediction if isinstance(outcome, Explanation) else None)
        each.request.put(each.position, outcome)

    async def _in(self, thread: ThreadPoolExecutor, function: Callable[[], Value]) -> Value:
        return await asyncio.get_running_loop().run_in_executor(thread, function)

    def close(self) -> None:
        """End what `start` began; nothing is in the queue any more."""
        if self._running:
            self._running.cancel()
        self._tokenizer.shutdown(wait=False, cancel_futures=True)
        self._owner.shutdown(wait=False, cancel_futures=True)


def _expected(error: Exception) -> TitheError:
    if isinstance(error, TitheError):
        return error
    logger.error("the model failed", exc_info=error)
    return TitheError(f"the model failed at this text ({type(error).__name__})")
