"""Predict the texts of files into files: in flat memory, and continued after a kill.

Predictions are computed and kept chunk by chunk; when all are there, the input is read again and each row is written
with its own. So every format resumes, compressed ones and Parquet too, and an output is whole or not there.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from tithe import config, storage
from tithe.checkpoints import tensors
from tithe.console import counted
from tithe.data import compressed
from tithe.engines import Engine
from tithe.errors import InputError, Interrupted
from tithe.predict.inputs import Inputs, Part, TextInput, is_lines, open_inputs
from tithe.predict.model import TrainedModel
from tithe.predict.opening import load
from tithe.predict.stream import TEXTS_AT_ONCE, Answering, TextTable, answer, warn_of_cut
from tithe.predict.unfinished import Unfinished, unfinished
from tithe.predict.writers import Row, Tables, check_output, chunks, is_folder, is_parquet, write, write_tables
from tithe.progress import Tick, bar

# Of a model that is exact, the slowest: so much is lost by a kill.
_TEXTS_AT_ONCE_EXACT = 1 << 10


@dataclass(frozen=True)
class _Answers:
    """Answers texts by a model, which a worker process opens from its files."""

    model: TrainedModel
    how: Answering
    table: TextTable
    tick: Tick = lambda rows: None

    def __call__(self, texts: list[str]) -> tuple[pa.Table, Counter[str]]:
        cut = Counter[str]()
        return self.table.answers(answer(self.model, texts, self.how, cut, self.tick)), cut

    def __reduce__(self) -> tuple[Any, ...]:
        path = self.model.weights_file or self.model.folder
        return _reopened, (path.absolute(), self.model.exact, self.how, self.table)


def _reopened(path: Path, exact: bool, how: Answering, table: TextTable) -> _Answers:
    model = load(path)
    return _Answers(model.exactly() if exact else model, how, table)


def predict_files(
    model: TrainedModel, source: TextInput, output: Path, how: Answering, engine: Engine | None = None
) -> int:
    """Write the predictions of files to a file, or to a folder, with a file for each; return their number.

    In a folder each file has the name and the format of its input; one of plain lines becomes JSONL. The columns of a
    row are followed by those of its prediction. A command that was killed goes on when it is run again, and its
    output has the bytes of one that was never killed.

    Parameters
    ----------
    engine
        Whose workers predict; this process when None. The bytes are the same.

    Raises
    ------
    InputError
        The input can't be read, or an output can't be written or is an input.
    Interrupted
        Ctrl-C; the predictions so far are kept.
    """
    inputs = open_inputs(None, source)
    targets = _targets(inputs, output)
    table = TextTable(inputs.columns, inputs.text_column, model.labels.names, how.top_k)
    with unfinished(output, _key(model, inputs, source.layout, how), table.own) as begun:
        try:
            _compute(_Answers(model, how, table), inputs, begun, engine)
        except KeyboardInterrupt:
            so_far = counted(begun.count, "prediction")
            kept = f"stopped; kept {so_far} in {begun.folder}: run the same command to continue"
            raise Interrupted(signal.SIGINT, kept) from None
        warn_of_cut(model, begun.cut)
        if all(map(is_parquet, targets)) and all(part.tables for part in inputs.parts):
            beside = Tables(begun.tables(), table.own)
            of_each = ((path, _beside(parts, beside, table.schema)) for path, parts in targets.items())
            return sum(write_tables(path, tables, table.schema) for path, tables in of_each)
        answers = begun.rows()
        return sum(write(path, _joined(parts, answers), table.schema) for path, parts in targets.items())


def _compute(answers: _Answers, inputs: Inputs, begun: Unfinished, engine: Engine | None) -> None:
    at_once = _TEXTS_AT_ONCE_EXACT if answers.model.exact else TEXTS_AT_ONCE
    texts = chunks(islice(inputs.texts, begun.count, None), at_once)
    with bar("predicting", inputs.count or 0, "texts") as tick:
        tick(begun.count)
        here = replace(answers, tick=tick)
        for rows, cut in engine.map(answers, texts) if engine else map(here, texts):
            cut.update(begun.cut)
            begun.add(rows, cut)
            if engine:
                tick(len(rows))


def _joined(parts: list[Part], answers: Iterator[Row]) -> Iterator[Row]:
    for part in parts:
        for of in part.rows():
            yield {**of.columns, **next(answers)}


def _beside(parts: list[Part], answers: Tables, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield what `_joined` does, as tables."""
    for part in parts:
        assert part.tables is not None
        for table in part.tables():
            yield pa.table([*table.columns, *answers.take(len(table)).columns], schema=schema)


def _targets(inputs: Inputs, output: Path) -> dict[Path, list[Part]]:
    """Return the parts that go to each file of the output, in order."""
    if not is_folder(output):
        targets = {output: list(inputs.parts)}
    else:
        targets = {}
        for part in inputs.parts:
            assert part.file is not None
            target = output / (_jsonl(part.file) if is_lines(part.file) else part.file.name)
            if target in targets:
                raise InputError(f"two input files are called {part.file.name}: pass --output FILE, for all of them")
            targets[target] = [part]
    taken = {file.resolve() for file in inputs.content}
    for path in targets:
        if path.resolve() in taken:
            raise InputError(f"--output {output} would overwrite the input: choose another name")
        check_output(path)
    return targets


def _jsonl(file: Path) -> str:
    plain = compressed.plain_name(file)
    return Path(plain).with_suffix(".jsonl").name + file.name[len(plain) :]


def _key(model: TrainedModel, inputs: Inputs, layout: config.Layout, how: Answering) -> str:
    """Return a digest of all that predictions depend on; of weights and rules as they are now."""
    rules = {
        file.relative_to(model.folder).as_posix(): storage.sha256_file(file)
        for file in sorted(model.folder.rglob("*.json"))
    }
    return storage.digest(
        {
            "weights": tensors.sha256_of_all(model.model.state_dict()),
            "rules": rules,
            "inputs": [(file.name, storage.sha256_file(file)) for file in inputs.content],
            "layout": layout.model_dump(mode="json"),
            "columns": [*map(str, inputs.columns), inputs.text_column],
            "how": [how.batch_size, how.top_k, model.exact, str(model.accelerator.mixed_precision)],
        }
    )
