"""What /metrics shows, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from tithe.predict import Prediction

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Meters:
    """Counters of one server, in a registry of their own: another server in this process has others."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter("tithe_requests", "Requests by path and status.", ["path", "code"], registry=registry)
        self._seconds = Histogram(
            "tithe_request_seconds", "From the head of a request to the end of its answer.", ["path"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._rows = Histogram("tithe_batch_texts", "Texts of a batch.", buckets=_ROWS, registry=registry)
        self.queue = Gauge("tithe_queue_texts", "Texts that are taken on and not answered yet.", registry=registry)
        self._explained = Counter(
            "tithe_explained_texts", "Of them, those whose words were explained.", registry=registry
        )
        self._texts = Counter("tithe_texts", "Texts that the model answered, explained or not.", registry=registry)
        self._truncated = Counter("tithe_truncated_texts", "Of them, longer than max_length.", registry=registry)
        self._abstained = Counter("tithe_abstained_texts", "Of them, those answered none of these.", registry=registry)
        self._failed = Counter("tithe_failed_texts", "Texts that the model failed at.", registry=registry)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that is answered."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def batch(self, answers: Sequence[Prediction], failed: int) -> None:
        """Count the answers of a batch, and the texts in it that the model failed at."""
        self._rows.observe(len(answers) + failed)
        self._count(answers, failed)

    def explanation(self, answer: Prediction | None) -> None:
        """Count a text that is explained, or that the model failed at."""
        self._explained.inc(answer is not None)
        self._count([answer] if answer else [], answer is None)

    def _count(self, answers: Sequence[Prediction], failed: int) -> None:
        self._texts.inc(len(answers))
        self._failed.inc(failed)
        self._truncated.inc(sum(answer.truncated for answer in answers))
        self._abstained.inc(sum(answer.abstained for answer in answers))

    def page(self) -> bytes:
        """Return all of them."""
        return generate_latest(self._registry)
