"""How much the server takes on."""

from __future__ import annotations

from dataclasses import dataclass

PASSES_EXPLAINED = 128  # of the model, to explain one text: see `occlusion`
_EXPLAINED = 8


@dataclass(frozen=True)
class Limits:
    """What one request, one batch and the queue may have at most.

    Attributes
    ----------
    body_bytes, texts, characters
        Of a request: bytes of its body, its texts, characters of a text.
    queue
        Texts that are taken on and not answered yet; an explained one counts as `PASSES_EXPLAINED`.
    rows, tokens
        Of a batch: texts, and texts times the longest one.
    wait_seconds
        How long an idle model waits for requests that are being tokenised, to share the batch.
    answer_seconds, body_seconds
        From the arrival of a request's body to its answer; for the body itself.
    connections
        Open at once.
    """

    body_bytes: int = 1 << 20
    texts: int = 256
    characters: int = 100_000
    queue: int = 2048
    rows: int = 32
    tokens: int = 8192
    wait_seconds: float = 0.003
    answer_seconds: float = 30.0
    body_seconds: float = 10.0
    connections: int = 512

    @property
    def explained(self) -> int:
        """Texts of a request that asks for explanations."""
        return min(_EXPLAINED, self.texts, self.queue // PASSES_EXPLAINED)
