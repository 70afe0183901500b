"""Tracks: which strategies may read which labels. T1: all are known; T0: only those of chosen rows."""

from __future__ import annotations

from types import ModuleType

from tithe import config, plugins
from tithe.errors import InputError
from tithe.select.settings import PREDICTIONS, strategies_of

# Signals that are made of labels.
READ_LABELS = frozenset({"head_probs", "head_labels", "head_penalty", "proxy_probs", "conditional_loss", "prior_loss"})


def track_of(strategy: ModuleType) -> str | None:
    """Return the one track that a strategy is for; None if it is for both, as one that reads no labels.

    Raises
    ------
    InputError
        It says another.
    """
    own: str | None = getattr(strategy, "TRACK", _track_of_needs(strategy))
    if own not in ("T0", "T1", "both"):
        raise InputError(f"strategy {strategy.__file__} has TRACK = {own!r}: it should be 'T0', 'T1' or 'both'")
    return None if own == "both" else own


def _track_of_needs(strategy: ModuleType) -> str:
    if hasattr(strategy, "decide") and not hasattr(strategy, "candidates"):
        return "T0"  # it has nothing to compare where all labels are known
    return "T1" if READ_LABELS & set(strategy.NEEDS) else "both"


def labels_read(strategy: ModuleType) -> str:
    """Say of which labels a strategy of track T1 makes use."""
    signals = ", ".join(sorted(READ_LABELS & set(strategy.NEEDS)))
    return f"{signals}, which needs all labels" if signals else "the labels of all rows"


def check_track(settings: config.Select) -> None:
    """Refuse strategies of the other track: those that read labels where labels are bought, and the reverse.

    Raises
    ------
    InputError
        A strategy or a filter is not of the track, or reads a model before there is one.
    """
    if settings.track == "T0" and settings.filter.noise:
        raise InputError(
            f"select.filter.noise {settings.filter.noise:g} reads all labels, and track T0 only those that were "
            f"bought: leave it out, or set select.track to T1"
        )
    for name in strategies_of(settings):
        module = plugins.load("strategies", name)
        needs, short = set(module.NEEDS), plugins.short_name(name)
        if settings.track == "T1":
            if track_of(module) == "T0":
                raise InputError(
                    f"{short} chooses rows whose labels are to be bought: set select.track to T0 and select.rounds to "
                    f"10, or choose a strategy of track T1, such as el2n"
                )
            if settings.rounds > 1 and hasattr(module, "decide"):
                raise InputError(f"select.rounds {settings.rounds} with {short} in track T1: it decides once; set 1")
            continue
        if track_of(module) == "T1":
            cure = "choose a strategy for select.track T0, such as margin, or set the track to T1"
            raise InputError(f"{short} reads {labels_read(module)}: {cure}")
        if settings.rounds == 1 and needs & PREDICTIONS and name != "all":
            raise InputError(
                f"{short} reads the probabilities of a model of the labels bought so far, and there is one round "
                f"only: set select.rounds to 5 or 10"
            )
