"""Apache Parquet: one column of texts, one of labels; other columns are not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tithe.data.readers import Pair, check
from tithe.errors import InputError

SUFFIXES = (".parquet", ".pq")
_ROWS = 8192


def read(path: Path, text_column: str, label_column: str | None) -> Iterator[list[Pair]]:
    """Yield lists of (input, label) in file order; labels are None where no label column is given.

    Raises
    ------
    InputError
        The file is not Parquet or is damaged, a column is missing or ambiguous, or the text column is not text.
    """
    try:
        file = pq.ParquetFile(path, memory_map=True)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from None
    with file:
        check(path, text_column, label_column, schema.names)
        for column in (text_column, label_column):
            if column is not None and schema.names.count(column) > 1:
                raise InputError(f"{path} has more than one column '{column}': rename all but one")
        kind = schema.field(text_column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
        if not any(is_text(kind) for is_text in texts):
            raise InputError(f"{path}: column '{text_column}' is {kind}, not text: set data.text_column")
        try:
            read = [text_column, *([label_column] if label_column else [])]
            for batch in file.iter_batches(_ROWS, columns=read):
                texts = batch.column(text_column).to_pylist()
                labels = batch.column(label_column).to_pylist() if label_column else [None] * len(texts)
                yield list(zip(texts, labels, strict=True))
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
