"""What `tithe predict --explain` prints and writes: the words of texts that decided, heat maps of images."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tithe.cli.options import quiet_libraries
from tithe.console import counted, echo, json_text, printable
from tithe.errors import InputError

if TYPE_CHECKING:  # slow to import
    from tithe.predict import TextInput, TrainedModel
    from tithe.predict.explanation import Explanation

_STRONGEST = 5  # words named below a text
_FAINT, _STRONG = 0.1, 0.5  # of the largest contribution in a text


def explain(
    checkpoint: Path, texts: list[str] | None, source: TextInput | None, output: Path | None, exact: bool, as_json: bool
) -> None:
    """Explain predictions on standard output, in a file, or, for images, in a folder of heat maps."""
    from tithe.predict import load

    with quiet_libraries():
        model = load(checkpoint).exactly() if exact else load(checkpoint)
        if model.run.task == "image":
            _draw(model, texts, source, output, as_json)
        else:
            _explain_texts(model, texts, source, output, as_json)


def _explain_texts(
    model: TrainedModel, texts: list[str] | None, source: TextInput | None, output: Path | None, as_json: bool
) -> None:
    from tithe.predict import explain_stream, explanation, jsonable

    if output:
        explanation.check_output(output)
        if as_json:
            echo("--json has no effect: the explanations go to --output", err=True)
    explained = explain_stream(model, texts, source)
    if output:
        count = explanation.write(output, explained, str(model.source))
        echo(f"{counted(count, 'explanation')} in {output}", err=True)
        return
    for each in explained:
        if as_json:
            echo(json_text(jsonable(each.row)))
        else:
            _print(each.explanation)


def _print(explanation: Explanation) -> None:
    """Print a line as without --explain, its words colored on a terminal, and below it the words that matter most."""
    from rich.console import Console
    from rich.text import Text

    label, prediction = printable(explanation.prediction.label), explanation.prediction
    line = Text()
    for piece in explanation.pieces():
        line.append(printable(piece.text), _style(piece.share))
    console = Console(soft_wrap=True, highlight=False)
    with console.capture() as captured:  # colors depend on stdout, NO_COLOR and TERM
        console.print(line)
    # Not by way of the console, which makes spaces of tabs.
    sys.stdout.write(f"{f'none of these ({label})' if prediction.abstained else label}\t{prediction.probability:.4f}\t")
    sys.stdout.write(captured.get())
    strongest = list(itertools.islice(explanation.strongest, _STRONGEST))
    if strongest:
        echo("\t" + ", ".join(f"{explanation.text[word.start : word.end]} {word.weight:+.2f}" for word in strongest))


def _style(share: float) -> str:
    """Return how a word looks: blue for the class, yellow against it, bold if it matters much."""
    if abs(share) < _FAINT:
        return ""
    return f"{'bold ' if abs(share) >= _STRONG else ''}{'blue' if share > 0 else 'yellow'}"


def _draw(
    model: TrainedModel, texts: list[str] | None, source: TextInput | None, output: Path | None, as_json: bool
) -> None:
    from tithe import storage
    from tithe.evaluate.heatmaps import draw
    from tithe.predict.images import given_sources

    if output is None or output.suffix:
        raise InputError("--explain draws heat maps of images: pass a folder for them with --output FOLDER")
    storage.check_writable_folder(output)
    for each in draw(model, given_sources(texts, source), output):
        line = f"{printable(each.path)}\t{printable(each.heat_map or each.reason)}"
        echo(json_text(each._asdict()) if as_json else line)
