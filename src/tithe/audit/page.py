"""The page of an audit: what was found, in words, and the rows on which a person decides."""

from __future__ import annotations

from typing import Any

from tithe.audit.facts import Findings
from tithe.audit.review import review
from tithe.audit.rows import AuditRows
from tithe.audit.says import doubled, lead, notes, trust
from tithe.audit.suspects import FLIPPED
from tithe.data.text.corrections import Corrections
from tithe.report.canvas import canvas, draw_grid, png
from tithe.report.html import Image, Table, render
from tithe.report.palette import ACCENT, BAND, INK, MUTED
from tithe.report.words import Phrase, say

_CLASSES = 50  # of the table

Content = dict[str, Any]  # what `facts.facts` returns


def page(rows: AuditRows, findings: Findings, content: Content, earlier: Corrections | None) -> str:
    """Return the page: one HTML document that needs no other file."""
    data, labels = content["data"], content["labels"]
    about = say(
        "{rows:,} {rows:row|rows}, {classes} {classes:class|classes}, encoder {encoder}, before any training",
        rows=data["rows_kept"],
        classes=len(content["classes"]),
        encoder=content["embeddings"] or content["encoder"],
    )
    return render(
        "audit.html",
        title=say("Audit of {file}", file=data["file"]),
        about=about,
        notes=notes(content),
        hints=_hints(labels),
        trust=trust(labels),
        review=review(rows, findings, earlier),
        use=_use(),
        readers=_readers(content["baseline"]),
        lead=lead(content["baseline"]),
        curve=Image(_draw(content["learning_curve"]), say("accuracy by training rows, with its interval")),
        doubled=doubled(content["learning_curve"]),
        classes=_classes(content["classes"]),
        classes_left=max(0, len(content["classes"]) - _CLASSES),
        copies=_copies(content),
        lengths=_lengths(content),
        languages=_languages(content["languages"]),
        covered=_covered(content["words"]),
        words=_words(content["words"]),
        flipped=FLIPPED,
    )


def _use() -> Phrase:
    return say(
        "Set data.corrections: corrections.json in a config and train, or write the corrected rows: "
        "tithe audit DATA --corrections corrections.json --out DIR"
    )


def _hints(labels: Content) -> list[tuple[str, Phrase]]:
    trial = labels["trial"]
    return [
        (f"{labels['hints']:,}", say("hints, {share:.1%} of the rows", share=labels["share"])),
        (f"{labels['estimated_noise']:.1%}", say("estimated wrong labels, at most")),
        (f"{trial['precision']:.0%}", say("of the hints right, in the trial")),
        (f"{trial['recall']:.0%}", say("of the wrong labels found, in the trial")),
    ]


def _readers(baseline: Content) -> Table:
    names = {
        "majority": say("the most frequent class"),
        "tfidf": say("TF-IDF of words, linear head"),
        "encoder": say("frozen encoder, linear head"),
    }
    head = [say("model"), say("accuracy"), say("macro F1"), say("training rows"), say("rows to judge")]
    counts = f"{baseline['trained_on']:,}", f"{baseline['judged_on']:,}"
    return Table(
        head, [(names[name], each["accuracy"], each["f1"], *counts) for name, each in baseline["readers"].items()]
    )


def _draw(curve: Content) -> bytes:
    figure, axes = canvas(7.0, 3.4)
    points = curve["points"]
    rows, accuracy = ([point[key] for point in points] for key in ("rows", "accuracy"))
    axes.fill_between(rows, [p["low"] for p in points], [p["high"] for p in points], color=BAND)
    axes.plot(rows, accuracy, color=ACCENT, marker="o")
    if ahead := curve["rows_doubled"]:
        after, total = ahead["after"], 2 * ahead["more_rows"]
        low, high = after["value"] - after["low"], after["high"] - after["value"]
        axes.errorbar([total], [after["value"]], [[low], [high]], color=INK, marker="D", capsize=4, linestyle="none")
        axes.plot([rows[-1], total], [accuracy[-1], after["value"]], color=MUTED, linestyle=":")
    axes.set_xscale("log", base=2)
    ticks = [*rows, *([total] if ahead else [])]
    axes.set_xticks(ticks, labels=[f"{row:,}" for row in ticks])
    axes.minorticks_off()
    axes.set_xlabel("training rows")
    axes.set_ylabel("accuracy")
    draw_grid(axes, "y")
    return png(figure)


def _classes(classes: list[Content]) -> Table:
    head = [
        *(say("class"), say("rows"), say("share"), say("hints"), say("estimated wrong labels")),
        say("median tokens"),
    ]
    largest = sorted(classes, key=lambda each: -each["rows"])[:_CLASSES]
    return Table(
        head,
        [
            (c["class"], f"{c['rows']:,}", f"{c['share']:.1%}", f"{c['hints']:,}", f"{c['estimated_noise']:.1%}",
             f"{c['median_tokens']:,}")
            for c in largest
        ],
    )  # fmt: skip


def _copies(content: Content) -> list[tuple[Phrase, str | Phrase]]:
    dropped, near = content["data"]["dropped"], content["copies"]["near"]
    return [
        (say("copies left out"), f"{dropped.get('duplicate', 0):,}"),
        (say("rows of one text with several labels, left out"), f"{dropped.get('conflict', 0):,}"),
        (say("near copies"), say("{rows:,} {rows:row|rows} in {groups:,} {groups:group|groups}", **_counts(near))),
        (say("groups of near copies with several labels"), f"{near['of_different_classes']:,}"),
    ]


def _counts(near: Content) -> Content:
    return {"rows": near["rows"], "groups": near["groups"]}


def _lengths(content: Content) -> list[tuple[Phrase, str | Phrase]]:
    lengths, percentiles = content["lengths"], content["lengths"]["percentiles"]
    cut, tokens = lengths["texts_cut"] / max(1, lengths["texts"]), lengths["tokens_lost"] / max(1, lengths["tokens"])
    spread = "{least:,} · {low:,} · {quarter:,} · {median:,} · {three:,} · {high:,} · {most:,}"
    names = ("least", "low", "quarter", "median", "three", "high", "most")
    return [
        (say("tokens: least, 5 %, 25 %, median, 75 %, 95 %, most"),
         spread.format(**dict(zip(names, percentiles.values(), strict=True)))),
        (say("cut by max_length {count:,}", count=lengths["max_length"]),
         say("{texts:,} {texts:text|texts} ({share:.1%}), {lost:.1%} of the tokens",
             texts=lengths["texts_cut"], share=cut, lost=tokens)),
        (say("words of mixed Latin and Cyrillic letters"),
         say("in {texts:,} {texts:text|texts}", texts=content["languages"]["mixed_words"])),
    ]  # fmt: skip


def _languages(languages: Content) -> Table:
    names = {
        "Russian": say("Russian"), "Latin": say("Latin letters"), "Latin with accents": say("Latin with accents"),
        "other Cyrillic": say("Cyrillic, not Russian"), "Greek": say("Greek"), "Arabic": say("Arabic"),
        "Hebrew": say("Hebrew"), "Devanagari": say("Devanagari"), "Thai": say("Thai"), "Japanese": say("Japanese"),
        "Korean": say("Korean"), "Chinese characters": say("Chinese characters"),
        "other script": say("another script"), "no letters": say("no letters"),
    }  # fmt: skip
    total = languages["texts"]
    return Table(
        [say("script or language"), say("texts"), say("share")],
        [(names[kind], f"{count:,}", f"{count / total:.1%}") for kind, count in languages["kinds"].items()],
    )


def _covered(words: Content) -> Phrase:
    return say(
        "{total:,} {total:word|words}, of {texts:,} {texts:text|texts}, {total:goes|go} with one class nearly always; "
        "{covered:.1%} of the texts have at least one.",
        **{key: words[key] for key in ("total", "texts", "covered")},
    )


def _words(words: Content) -> Table:
    head = [say("word"), say("texts"), say("class"), say("share of that class"), say("interval")]
    return Table(
        head,
        [
            (w["word"], f"{w['texts']:,}", w["label"], f"{w['share']:.1%}", f"{w['low']:.1%} – {w['high']:.1%}")
            for w in words["words"]
        ],
    )
