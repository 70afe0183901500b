"""The body of a request to /predict, and the schemas that OpenAPI shows."""

from __future__ import annotations

import json
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from tithe.console import printable
from tithe.data.labels import storable
from tithe.errors import did_you_mean
from tithe.report.words import say
from tithe.serve.limits import PASSES_EXPLAINED, Limits
from tithe.web.refusals import Refusal

_TEXT = {"type": "string"}
_SHOWN = 3  # mistakes of one body
_EXCERPT = 80
_KINDS = {str: "a text", bool: "a boolean", list: "a list", dict: "an object", type(None): "null"}


def _texts(value: object) -> object:
    """Return a text alone as a list; half a character, as of a text that a script has cut, becomes `?` as in files."""
    listed = value if isinstance(value, list) else [value] if isinstance(value, str) else None
    return value if listed is None else [storable(each) if isinstance(each, str) else each for each in listed]


Texts = Annotated[
    list[str],
    BeforeValidator(_texts),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}),
]


class Question(BaseModel):
    """Texts to classify."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: Texts = Field(description="a text, or a list of them")
    explain: bool = Field(False, description="say what each word contributed; takes as long as up to 128 texts")
    top_k: int | None = Field(None, ge=1, description="only so many probabilities, the highest first; all when unset")


def parse(body: bytes, limits: Limits) -> Question:
    """Return what a body asks.

    Raises
    ------
    Refusal
        422: it is not JSON, not of this schema, or has too many texts or too long ones.
    """
    try:
        question = Question.model_validate(_json(body))
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        more = [f"and {len(mistakes) - _SHOWN} more mistakes"] if len(mistakes) > _SHOWN else []
        raise Refusal(422, "; ".join([*map(_line, mistakes[:_SHOWN]), *more])) from None
    most = limits.explained if question.explain else limits.texts
    if not question.texts:
        raise Refusal(422, "texts is empty: send at least one")
    if not most:
        room = {"passes": PASSES_EXPLAINED, "queue": limits.queue}
        raise Refusal(
            422, say("explain is off here: it takes the room of {passes} texts, and the queue has {queue}", **room)
        )
    if len(question.texts) > most:
        what = "texts with explain" if question.explain else "texts"
        raise Refusal(422, f"{len(question.texts)} {what}, {most} at most: send several requests")
    for position, text in enumerate(question.texts):
        if len(text) > limits.characters:
            counted = {"place": position, "count": len(text), "most": limits.characters}
            raise Refusal(422, say("text {place} has {count} characters, {most} at most: cut it", **counted))
    return question


def _json(body: bytes) -> object:
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise Refusal(422, f"the body is not UTF-8 (byte {error.start}): send JSON in UTF-8") from None
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise Refusal(422, f"the body is not JSON ({reason[:_EXCERPT]}): let a JSON library write it") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _line(error: Any) -> str:
    """Return a mistake in one line: where it is, what is there, and what to send."""
    place, given = error["loc"], error["input"]
    shown = _KINDS.get(type(given), "a number")
    if not place:
        return f'the body is {shown}: send an object such as {{"texts": "a fine film"}}'
    if error["type"] == "extra_forbidden":
        name = str(place[0])
        return f"unknown key '{printable(name)[:_EXCERPT]}'{did_you_mean(name, Question.model_fields)}"
    if error["type"] == "missing":
        return f"no {place[0]}: send a text, or a list of them"
    if place[0] == "texts":
        return f"{'texts is' if len(place) == 1 else f'text {place[1]} is'} {shown}: send a text, or a list of them"
    return f"{place[0]} is {json.dumps(given, default=str)[:_EXCERPT]}: {error['msg']}"


_ANSWER = {
    "label": "positive",
    "probability": 0.98,
    "probabilities": {"negative": 0.02, "positive": 0.98},
    "abstained": False,
    "truncated": False,
}
_WORDS = [{"word": "fine", "start": 2, "end": 6, "weight": 3.1}]


def _content(examples: dict[str, Any], **schema: Any) -> dict[str, Any]:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"content": {"application/json": {"schema": schema, "examples": named}}}


BODY = {
    "required": True,
    **_content(
        {
            "one": {"texts": "a fine film"},
            "many": {"texts": ["a fine film", "two hours of nothing"], "top_k": 1},
            "explained": {"texts": "a fine film", "explain": True},
        },
        **Question.model_json_schema(),
    ),
}
_SAYS = {"type": "object", "additionalProperties": _TEXT, "description": "the error by language, where pages show it"}
_ERROR = {"type": "object", "properties": {"error": _TEXT, "says": _SAYS}, "required": ["error"]}
_NUMBER, _FLAG = {"type": "number"}, {"type": "boolean"}
_WORD = {
    "type": "object",
    "properties": {"word": _TEXT, "start": {"type": "integer"}, "end": {"type": "integer"}, "weight": _NUMBER},
    "description": "characters `start` to before `end`; without the word the log-odds of the class fall by `weight`",
}
_PREDICTION = {
    "type": "object",
    "properties": {
        "label": {"anyOf": [_TEXT, {"type": "integer"}]},
        "probability": _NUMBER,
        "probabilities": {"type": "object", "additionalProperties": _NUMBER},
        "abstained": {**_FLAG, "description": "the answer is none of these"},
        "truncated": {**_FLAG, "description": "longer than the model's max_length: only a part was read"},
        "words": {"type": "array", "items": _WORD, "description": "only with explain"},
    },
    "required": ["label", "probability", "probabilities", "abstained", "truncated"],
}
_REFUSALS = {
    401: "a token is needed, or another one",
    408: "the body came too slowly",
    413: "the body is too large",
    415: "the body is not application/json",
    422: "the body is not JSON, not of this schema, or has too many or too long texts",
    429: "the queue is full: see Retry-After",
    500: "the model failed",
    503: "no answer in time: see Retry-After",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A prediction for each text, in their order.",
        **_content(
            {"many": {"predictions": [_ANSWER]}, "explained": {"predictions": [{**_ANSWER, "words": _WORDS}]}},
            type="object",
            properties={"predictions": {"type": "array", "items": _PREDICTION}},
        ),
    },
    **{code: {"description": text, **_content({}, **_ERROR)} for code, text in _REFUSALS.items()},
}
