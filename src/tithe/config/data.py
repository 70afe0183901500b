"""The section `data`: where the rows are, how their files are written, how they are cleaned, split and balanced."""

from __future__ import annotations

import codecs
import io
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tithe.config.values import PathStr, Ratio, Section, Workers

_TAB = ("tab", "\\t")  # as a command line can spell it
_NEVER_DELIMITERS = '"\r\n\0'
_SOME_ENCODINGS = "utf-8, utf-16, cp1251, cp1252, latin-1"


def _one_character(text: str | None) -> str | None:
    text = "\t" if text in _TAB else text
    if text is not None and (len(text) != 1 or text in _NEVER_DELIMITERS):
        raise ValueError(
            "must be one character such as ',', ';' or '|', or tab; --set takes it as 'data.delimiter=\"|\"'"
        )
    return text


def _encoding_of_text(name: str) -> str:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        raise ValueError(f"must be an encoding that Python knows, for example one of {_SOME_ENCODINGS}") from None


def _distinct(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if names is not None and len(set(names)) != len(names):
        raise ValueError("must be different names")
    return names


Delimiter = Annotated[
    str | None,
    AfterValidator(_one_character),
    Field(description="character between the fields of CSV, or tab; comma, semicolon or tab by the header when unset"),
]
Encoding = Annotated[
    str, AfterValidator(_encoding_of_text), Field(description="encoding of CSV and of plain text, such as cp1251")
]
ColumnNames = Annotated[
    Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None,
    AfterValidator(_distinct),
    Field(description="names of the columns of CSV without a header line, in their order"),
]


class Layout(Section):
    """How a file of text is written, where the file itself does not say it."""

    delimiter: Delimiter = None
    encoding: Encoding = "utf-8"
    column_names: ColumnNames = None


class Data(Section):
    """Where the labelled rows are and how they are cleaned, split and balanced."""

    path: PathStr = Field(description="data file, or a folder or a pattern such as 'rows/*.parquet' of its parts")
    validation: PathStr | None = Field(
        None, description="the same for rows that are the validation split, as they are; for texts"
    )
    test: PathStr | None = Field(None, description="the same for rows that are the test split, as they are; for texts")
    split_column: str | None = Field(
        None, description="column that says of each row whether it is train, validation or test; for texts"
    )
    reader: str | None = Field(None, description="reader of the file or images; by suffix or layout when unset")
    delimiter: Delimiter = None
    encoding: Encoding = "utf-8"
    column_names: ColumnNames = None
    text_column: str = Field("text", description="column of the inputs")
    label_column: str = Field("label", description="column of the classes, strings or numbers")
    weight_column: str | None = Field(
        None,
        description="column of weights of the training rows in the loss, numbers of at least 0, for texts; validation "
        "and test rows are not weighted",
    )
    label_mapping: PathStr | None = Field(
        None, description="JSON file of {class: symbol}, for data whose labels were replaced by symbols"
    )
    corrections: PathStr | None = Field(
        None, description="JSON file of corrected labels, as the page of 'tithe audit' downloads it; for texts"
    )
    embeddings: PathStr | None = Field(
        None, description=".npy file of a vector for each row as read, for strategies; the encoder's when unset"
    )
    val_ratio: Ratio = Field(0.1, gt=0, description="share of rows for validation")
    test_ratio: Ratio = Field(0.1, description="share of rows held out for the test; 0 for none")
    upsample: bool = Field(False, description="repeat training rows of small classes up to the largest")
    downsample: bool = Field(False, description="drop training rows of large classes down to the smallest")
    class_weights: bool = Field(False, description="weight the training loss by inverse class frequency")
    num_workers: Workers = Field(0, description="processes that collate batches ahead of training")
    hold_out: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (), description="generators whose images are used only for the test; for images"
    )
    validate_on: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (), description="generators whose fakes, and no others, are used for validation, and only there; for images"
    )

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Data:
        if self.val_ratio + self.test_ratio >= 1:
            raise ValueError("val_ratio + test_ratio must be below 1, so that rows are left to train on")
        return self

    @model_validator(mode="after")
    def _one_source_of_splits(self) -> Data:
        for key, path in (("validation", self.validation), ("test", self.test)):
            if path is not None and self.split_column is not None:
                raise ValueError(f"data.split_column and data.{key} both give splits: set only one of them")
            if path is not None and path in (self.path, self.validation if key == "test" else None):
                raise ValueError(f"data.{key} '{path}' is used for another split too: pass another file")
        return self

    @model_validator(mode="after")
    def _one_use_of_a_generator(self) -> Data:
        if both := set(self.hold_out) & set(self.validate_on):
            raise ValueError(f"data.hold_out and data.validate_on both name {min(both)}: use its fakes for one of them")
        return self

    @property
    def layout(self) -> Layout:
        """How the files are written."""
        return Layout(delimiter=self.delimiter, encoding=self.encoding, column_names=self.column_names)
