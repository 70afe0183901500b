"""Kinds of values in a config, with their ranges; and the strict, frozen section that has them."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tithe.storage import expand_home

# The product of two such numbers, as of epochs and steps, is within the 64 bits of torch and NumPy.
LARGEST = 2**31 - 1

Ratio = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(gt=0, le=LARGEST)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Workers = Annotated[int, Field(ge=0, le=256)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
T = TypeVar("T")
Choices = Annotated[tuple[T, ...], Field(strict=False, min_length=1)]


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("must be two numbers, the smaller first")
    return ends


def _one_path(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a zero byte, which no path can have")
    return expand_home(text)


# A path, or a name where a path may stand too, such as that of an encoder; `~` at its beginning is replaced.
PathStr = Annotated[str, AfterValidator(_one_path)]

Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]
Range = Annotated[tuple[Rate, Rate], Field(strict=False), AfterValidator(_rising)]
RatioRange = Annotated[tuple[Ratio, Ratio], Field(strict=False), AfterValidator(_rising)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Betas = Annotated[tuple[Beta, Beta], Field(strict=False)]


class Section(BaseModel):
    """A frozen part of a config: unknown keys and wrong types are errors, never guesses."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
