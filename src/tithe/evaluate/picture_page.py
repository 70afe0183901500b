"""The page of a scored folder: contact sheet, heat maps, what the files say of themselves, what is not readable."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tithe import storage
from tithe.evaluate import heatmaps
from tithe.imaging import Pixels, crops, folders
from tithe.imaging.backends import opencv
from tithe.imaging.files import Unreadable
from tithe.imaging.headers import header, upright
from tithe.imaging.provenance import Fact, provenance
from tithe.models.foundation.detector import Foundation
from tithe.predict import Predictions, TrainedModel, verdicts
from tithe.predict.images import ImageScore, read
from tithe.predict.writers import Row
from tithe.progress import bar
from tithe.report.html import render
from tithe.report.words import Phrase, say

MOST = 2_000  # pictures on a page: those with the lowest scores

_NAMED = 3  # of the sources, in the title: a shell may have made a thousand files of a pattern
_SIDE, _QUALITY = 160, 80  # of a picture on the sheet: pixels, and as JPEG
_VERDICTS = {
    "fake": say("fake"),
    "unsure": say("unsure"),
    "real": say("no trace of the generators known to this model"),
}
_SHORT = {"fake": say("fake"), "unsure": say("unsure"), "real": say("no known trace")}
_WHY = {
    verdicts.UNCALIBRATED: say("not calibrated"),
    verdicts.FAR: say("unlike the training images"),
    verdicts.TURNS: say("turned by harmless processing"),
}
_REASONS = {
    "missing": say("the file does not exist"),
    "no_permission": say("no permission to read the file"),
    "empty_file": say("the file is empty"),
    "not_an_image": say("the file is not an image"),
    "unsupported_format": say("an image in a format that is not read here"),
    "truncated": say("the file ends too early"),
    "damaged": say("the file cannot be decoded"),
    "too_large": say("the image has more pixels than --max-pixels allows"),
    "too_small": say("a side of the image has fewer than 8 pixels"),
    "unsupported_mode": say("the pixel format cannot be converted to 8-bit RGB"),
}
_FACTS = {
    "camera": say("camera"),
    "taken": say("date"),
    "software": say("software"),
    "credentials": say("content credentials (C2PA); the signature is not checked"),
    "source_type": say("declared source (IPTC)"),
    "generator": say("settings of a generator"),
}


class Picture(NamedTuple):
    """A scored picture: its file, its result, what is shown of it, and what the file says of itself."""

    file: Path
    score: ImageScore
    uri: str
    facts: Sequence[Fact]


class Mapped(NamedTuple):
    """A picture with the heat map of its centre; no map where no region matters."""

    picture: Picture
    centre: str
    heat_map: str | None


class PicturePage:
    """Collects what a page shows while pictures are scored, and writes it.

    Parameters
    ----------
    heat_maps
        How many pictures get a heat map: those with the lowest scores. Each costs about as much as 60 scores.
    max_pixels
        As in `score_images`.

    Attributes
    ----------
    unread
        Number of the files that could not be read, by reason.
    """

    def __init__(self, model: TrainedModel, heat_maps: int, max_pixels: int | None) -> None:
        self._model, self._heat_maps = model, heat_maps
        self._max_pixels = max_pixels or model.run.images.max_pixels
        self._pictures: list[Picture] = []
        self._verdicts: Counter[str] = Counter()
        self._unread: list[tuple[str, Phrase | str]] = []
        self.unread: Counter[str] = Counter()

    @property
    def scored(self) -> int:
        """Number of pictures with a score so far."""
        return sum(self._verdicts.values())

    def look(self, file: Path, pixels_HW3: Pixels, score: ImageScore) -> None:
        """Take a picture up while its pixels are there."""
        try:
            facts, orientation = provenance(file), header(file).orientation
        except Unreadable:  # it has gone since
            facts, orientation = [], None
        self._pictures.append(Picture(file, score, _uri(upright(_shrunk(pixels_HW3), orientation)), facts))
        if len(self._pictures) > 2 * MOST:
            self._pictures = self._lowest()

    def watch(self, predictions: Predictions) -> Predictions:
        """Return the same predictions; those that pass by are counted."""
        return Predictions(self._counted(predictions.rows), predictions.schema, predictions.as_line)

    def write(self, page: Path, sources: Sequence[str]) -> None:
        """Write the page; draw the heat maps before that."""
        lowest = self._lowest()
        text = render(
            "pictures.html",
            title=", ".join([*map(folders.shown, sources[:_NAMED]), *(["…"] if len(sources) > _NAMED else [])]),
            about=say(
                "{count:,} {count:file|files} scored by {model}",
                count=self.scored + len(self._unread),
                model=folders.shown(str(self._model.source)),
            ),
            counts=self._counts(),
            notes=self._notes(),
            mapped=self._draw(lowest[: self._heat_maps]),
            pictures=lowest,
            left_out=self.scored - len(lowest),
            unread=self._unread,
            short=_SHORT,
            # Of a head on an encoder it would say of generators that are not in the training what is not known.
            has_probability=not isinstance(self._model.model, Foundation),
            why=_WHY,
            fact_names=_FACTS,
            limit=heatmaps.LIMIT,
            least=heatmaps.LEAST,
        )
        storage.write_text(page, text)

    def _lowest(self) -> list[Picture]:
        return sorted(self._pictures, key=lambda picture: (picture.score.score or 0.0, picture.score.path))[:MOST]

    def _counted(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            if reason := row["reason"]:
                self.unread[str(reason)] += 1
                self._unread.append((str(row["path"]), _REASONS.get(str(reason), str(reason))))
            else:
                self._verdicts[str(row["verdict"])] += 1
            yield row

    def _counts(self) -> list[tuple[str, Phrase | str]]:
        names = dict.fromkeys((*_VERDICTS, *self._verdicts))
        counts = [(f"{self._verdicts[name]:,}", _VERDICTS.get(name, name)) for name in names]
        return [*counts, (f"{len(self._unread):,}", say("not readable"))] if self._unread else counts

    def _notes(self) -> list[Phrase]:
        notes = [
            say(
                "A score goes from 0 (fake) to 1 (real). A detector knows the generators, cameras and formats that it "
                "was trained on: of others a score says little, and it is never a proof."
            )
        ]
        if not self.scored:
            notes.insert(0, say("No file could be read."))
        elif self._model.calibration is None:
            notes.append(
                say(
                    "Only the best checkpoint of a finished run has a calibration, and this is another one: every "
                    "verdict is unsure."
                )
            )
        return notes

    def _draw(self, pictures: Sequence[Picture]) -> list[Mapped]:
        mapped, size = [], self._model.run.images.size
        with bar("explaining", len(pictures), "images") as tick:
            for picture in pictures:
                pixels = read(picture.file, self._max_pixels)
                if not isinstance(pixels, str):
                    centre_HW3 = crops.even(pixels, size, 1)[0]
                    heat_HW = heatmaps.occlusion(self._model.model, centre_HW3)
                    tinted = _uri(heatmaps.tinted(centre_HW3, heat_HW)) if heatmaps.matters(heat_HW) else None
                    mapped.append(Mapped(picture, _uri(centre_HW3), tinted))
                tick(1)
        return mapped


def _shrunk(pixels_HW3: Pixels) -> Pixels:
    """Return a picture of at most `_SIDE` pixels a side; a smaller one as it is."""
    height, width = pixels_HW3.shape[:2]
    factor = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    cv2 = opencv()
    small_HW3: Pixels = cv2.resize(pixels_HW3, size, interpolation=cv2.INTER_AREA)
    return small_HW3


def _uri(pixels_HW3: Pixels) -> str:
    """Return a picture as an address that needs no other file."""
    cv2 = opencv()
    _, data = cv2.imencode(".jpg", pixels_HW3[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
