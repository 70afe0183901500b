"""Look at labelled texts before any training: labels that may be wrong, copies, lengths, words, and what to expect."""

from __future__ import annotations

from tithe.audit.entry import Audit, audit
from tithe.audit.says import sentences

__all__ = ["Audit", "audit", "sentences"]
