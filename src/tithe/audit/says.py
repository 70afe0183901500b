"""The findings of an audit in sentences: what stands out, how far to trust hints, what more rows would bring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tithe.report.words import Phrase, say

_CUT, _NEAR, _COVERED = 0.05, 0.05, 0.5  # shares of the texts from which on something stands out
_RATIO = 10  # of the largest class to the smallest
_SMALL = 0.005  # gain in accuracy by twice the rows that is not worth them

Content = dict[str, Any]  # what `facts.facts` returns, or a part of it


class Note(NamedTuple):
    """A finding, and how grave it is: a class of the style of notes."""

    text: Phrase
    grade: str


def notes(content: Content) -> list[Note]:
    """Return what stands out, or that nothing does."""
    return [*_notes(content)] or [Note(say("Nothing stands out."), "fine")]


def _notes(content: Content) -> Iterator[Note]:
    data, labels, near = content["data"], content["labels"], content["copies"]["near"]
    if labels["hints"]:
        yield Note(say("{count:,} {count:label|labels} may be wrong: see below.", count=labels["hints"]), "mild")
    if conflicts := data["dropped"].get("conflict", 0):
        text = say(
            "{count:,} {count:row has|rows have} a text that another row labels differently: none of them is used "
            "until one label is chosen.",
            count=conflicts,
        )
        yield Note(text, "grave")
    if groups := near["of_different_classes"]:
        yield Note(
            say("{count:,} {count:group|groups} of near copies {count:has|have} several labels.", count=groups), ""
        )
    if near["rows"] > _NEAR * data["rows_kept"]:
        share = near["rows"] / data["rows_kept"]
        text = say(
            "{share:.1%} of the rows are near copies: in a random split they make scores optimistic.", share=share
        )
        yield Note(text, "")
    yield from _of_texts(content)
    yield from _of_classes(content)
    if _is_ahead(content["baseline"], -1):
        yield Note(say("Counts of words beat the frozen encoder: train the encoder, or use the words."), "")


def _of_texts(content: Content) -> Iterator[Note]:
    lengths, words = content["lengths"], content["words"]
    cut = lengths["texts_cut"] / max(1, lengths["texts"])
    if cut > _CUT:
        text = say("max_length {length} cuts {share:.1%} of the texts.", length=lengths["max_length"], share=cut)
        yield Note(text, "")
    if words["covered"] > _COVERED:
        text = say(
            "Single words decide the class of {share:.0%} of the texts: look at them for artifacts.",
            share=words["covered"],
        )
        yield Note(text, "mild")


def _of_classes(content: Content) -> Iterator[Note]:
    sizes = sorted((each["rows"], each["class"]) for each in content["classes"])
    (least, small), (most, large) = sizes[0], sizes[-1]
    if most >= _RATIO * least:
        text = say(
            "The classes are uneven: {large} has {most:,} {most:row|rows}, {small} has {least:,}.",
            **{"large": large, "most": most, "small": small, "least": least},
        )
        yield Note(text, "mild")
    for names in content["data"]["alike_classes"]:
        yield Note(say("Classes that look alike: {names}.", names=", ".join(names)), "")


def trust(labels: Content) -> list[Phrase]:
    """Return what the trial says of the hints."""
    trial = labels["trial"]
    measured = say(
        "Trial: on a copy of {rows:,} rows, {flipped:,} labels were flipped at random. {recall:.0%} of them were among "
        "{hints:,} {hints:hint|hints}; {precision:.0%} of the hints were flipped labels, of the first {flipped:,} "
        "{first:.0%}. The class suggested for flipped labels was the true one for {restored:.0%}.",
        **{key: trial[key] for key in ("rows", "flipped", "recall", "hints", "precision", "first", "restored")},
    )
    noise = say(
        "The share of wrong labels was estimated as {before:.1%} here and as {after:.1%} there, where {share:.0%} more "
        "were wrong. The model itself is right on {accuracy:.1%} of the rows.",
        before=labels["estimated_noise"], after=trial["noise"], share=trial["flipped_share"],
        accuracy=labels["accuracy_out_of_fold"],
    )  # fmt: skip
    return [_verdict(labels["reliability"]), measured, noise]


def _verdict(reliability: str) -> Phrase:
    if reliability == "good":
        return say("The classes are easy to tell apart, so hints are worth reading from the first on.")
    if reliability == "fair":
        return say("Hints mix wrong labels with hard texts: the first ones are worth reading.")
    return say("The classes are hard to tell apart here: most hints are hard texts rather than wrong labels, and the "
               "estimated share of wrong labels says little.")  # fmt: skip


def _is_ahead(baseline: Content, sign: int) -> bool:
    lead = baseline["lead_of_encoder"]
    return bool(lead["beyond_chance"]) and lead["value"] * sign > 0


def lead(baseline: Content) -> Phrase:
    """Return which of the readers is ahead: TF-IDF or the frozen encoder."""
    own = {key: baseline["lead_of_encoder"][key] for key in ("value", "low", "high")}
    if _is_ahead(baseline, 1):
        return say(
            "The frozen encoder is ahead of TF-IDF by {value:.3f} (95 % interval {low:.3f} to {high:.3f}).", **own
        )
    if _is_ahead(baseline, -1):
        turned = {"value": -own["value"], "low": -own["high"], "high": -own["low"]}
        return say(
            "TF-IDF is ahead of the frozen encoder by {value:.3f} (95 % interval {low:.3f} to {high:.3f}).", **turned
        )
    return say(
        "Frozen encoder minus TF-IDF: {value:+.3f} (95 % interval {low:+.3f} to {high:+.3f}), which may be chance.",
        **own,
    )


def doubled(curve: Content) -> Phrase:
    """Return what twice the rows would bring."""
    ahead = curve["rows_doubled"]
    if ahead is None:
        return say("There are too few rows to continue the curve.")
    values = {"rows": ahead["more_rows"], **{key: 100 * ahead["gain"][key] for key in ("value", "low", "high")}}
    if ahead["gain"]["high"] < _SMALL:
        return say(
            "{rows:,} more rows like these would gain {value:.1f} points of accuracy (95 % interval {low:.1f} to "
            "{high:.1f}): other rows, or another model, pay more.",
            **values,
        )
    return say(
        "{rows:,} more rows like these would gain {value:.1f} points of accuracy (95 % interval {low:.1f} to "
        "{high:.1f}), with a frozen encoder and a linear head.",
        **values,
    )


def sentences(content: Content) -> list[str]:
    """Return the findings as lines for a terminal, in the language of TITHE_LANG."""
    said = [note.text for note in notes(content)]
    said += [*trust(content["labels"]), lead(content["baseline"]), doubled(content["learning_curve"])]
    return list(map(str, said))
