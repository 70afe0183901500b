"""The interface over HTTP: answers, refusals, each in one line, and what they leave behind."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from support.pages import HOSTILE
from support.serving import Client, Gated, Reply, with_server
from support.texts import make_texts
from tithe.serve.limits import Limits
from tithe.serve.predictor import Checkpoint
from tithe.web.address import Address

SMALL = Limits(body_bytes=2000, texts=3, characters=50, body_seconds=0.05)
TEXTS = [text[:50] for text in make_texts(20)[0]]


def test_answers_are_those_of_predict(checkpoint: Checkpoint) -> None:
    async def talk(client: Client) -> list[Reply]:
        return [await client.ask(TEXTS), await client.ask(TEXTS[0]), await client.ask([HOSTILE, "", "goal " * 99])]

    many, one, odd = with_server(checkpoint, talk)
    expected = checkpoint.model.predict(TEXTS)
    answers = many.json["predictions"]
    assert len({answer["label"] for answer in answers}) > 1
    for answer, prediction in zip(answers, expected, strict=True):
        same = {**prediction._asdict(), "probabilities": pytest.approx(prediction.probabilities, abs=1e-6)}
        assert answer == {**same, "probability": pytest.approx(prediction.probability, abs=1e-6)}
    [alone] = one.json["predictions"]
    assert alone["label"] == answers[0]["label"] and alone["probability"] == pytest.approx(answers[0]["probability"])
    assert [answer["truncated"] for answer in odd.json["predictions"]] == [False, False, True]


def test_exact_answers_do_not_depend_on_their_neighbours(checkpoint: Checkpoint) -> None:
    exact = Checkpoint(checkpoint.model.exactly(), "exact", checkpoint.pad)

    async def talk(client: Client) -> list[Reply]:
        return await asyncio.gather(*(client.ask(text) for text in TEXTS))

    replies = with_server(exact, talk, Limits(rows=1))
    expected = checkpoint.model.predict(TEXTS, exact=True)
    assert [reply.json["predictions"][0] for reply in replies] == [each._asdict() for each in expected]


def test_the_most_probable_classes_alone(checkpoint: Checkpoint) -> None:
    reply = with_server(checkpoint, lambda client: client.ask(TEXTS[:2], top_k=2))
    for answer in reply.json["predictions"]:
        values = list(answer["probabilities"].values())
        assert len(values) == 2 and values[0] == answer["probability"] >= values[1]


def test_words_that_decided(checkpoint: Checkpoint) -> None:
    texts = [f"a {HOSTILE} goal", "the moon"]
    reply = with_server(checkpoint, lambda client: client.ask(texts, explain=True))
    for text, answer in zip(texts, reply.json["predictions"], strict=True):
        [expected] = checkpoint.model.explain([text])
        assert answer == {key: value for key, value in expected.as_dict().items() if key != "text"}
        assert answer["words"] and all(text[word["start"] : word["end"]] == word["word"] for word in answer["words"])


LONG = [b'{"texts": "', *[b"x" * 500] * 5, b'"}']
# name: body in chunks, headers, status, what the line says
BAD: dict[str, tuple[list[bytes], dict[str, str], int, str]] = {
    "no JSON": ([b"{"], {}, 422, "the body is not JSON (Expecting property name enclosed in double quotes: line 1"),
    "no bytes": ([b""], {}, 422, "the body is not JSON (Expecting value: line 1 column 1 (char 0))"),
    "not UTF-8": ([b'{"texts": "\xff"}'], {}, 422, "the body is not UTF-8 (byte 11)"),
    "not a number": ([b'{"texts": "a", "top_k": NaN}'], {}, 422, "the body is not JSON (NaN is not a number of JSON)"),
    "many digits": ([b'{"top_k": %s}' % (b"1" * 900)], {}, 422, "no texts: send a text, or a list of them"),
    "deep": ([b"[" * 1900], {}, 422, "the body is not JSON ("),
    "a list": ([b"[1]"], {}, 422, 'the body is a list: send an object such as {"texts": "a fine film"}'),
    "nothing": ([b"null"], {}, 422, "the body is null: send an object"),
    "no texts": ([b"{}"], {}, 422, "no texts: send a text, or a list of them"),
    "a number": ([b'{"texts": 3}'], {}, 422, "texts is a number: send a text, or a list of them"),
    "a number among texts": ([b'{"texts": ["a", 3]}'], {}, 422, "text 1 is a number: send a text, or a list of them"),
    "a list of lists": ([b'{"texts": [["a"]]}'], {}, 422, "text 0 is a list: send a text, or a list of them"),
    "two mistakes": ([b'{"texts": 3, "top_k": 0}'], {}, 422, "top_k is 0: Input should be greater than or equal to 1"),
    "a thousand mistakes": (
        [b'{"texts": [%s1]}' % (b"1," * 900)],
        {},
        422,
        "text 2 is a number: send a text, or a list of them; and 898 more mistakes",
    ),
    "an unknown key": ([b'{"texts": "a", "explian": true}'], {}, 422, "unknown key 'explian': did you mean 'explain'?"),
    "a word for a truth": (
        [b'{"texts": "a", "explain": "yes"}'],
        {},
        422,
        'explain is "yes": Input should be a valid boolean',
    ),
    "an empty list": ([b'{"texts": []}'], {}, 422, "texts is empty: send at least one"),
    "too many": ([b'{"texts": ["a", "b", "c", "d"]}'], {}, 422, "4 texts, 3 at most: send several requests"),
    "too many explained": ([b'{"texts": ["a", "b", "c", "d"], "explain": true}'], {}, 422, "4 texts with explain"),
    "too long": ([b'{"texts": "%s"}' % (b"x" * 51)], {}, 422, "text 0 has 51 characters, 50 at most: cut it"),
    "too large": (LONG, {}, 413, "the body has more than 2000 bytes"),
    "too large, and says less": (LONG, {"content-length": "20"}, 413, "the body has more than 2000 bytes"),
    "without end": ([b"x" * 1000] * 10**4, {}, 413, "the body has more than 2000 bytes"),
    "a form": ([b"texts=a"], {"content-type": "application/x-www-form-urlencoded"}, 415, "Content-Type"),
    "a packed body": ([b"\x1f\x8b"], {"content-encoding": "gzip"}, 415, "the body is packed (gzip): send it without"),
    "no type": ([b"{}"], {"content-type": ""}, 415, "send JSON with the header Content-Type: application/json"),
    "another host": ([b"{}"], {"host": "evil.example:8000"}, 400, "evil.example"),
    "no host": ([b"{}"], {"host": ""}, 400, 'the Host header is ""'),
}


def test_half_a_character_is_a_question_mark_as_in_files(checkpoint: Checkpoint) -> None:
    async def talk(client: Client) -> list[Reply]:
        # What JSON.stringify makes of a text that is cut in the middle of a character.
        return [await client.send("POST", "/predict", [b'{"texts": "goal \\ud83d", "explain": true}'])]

    [reply] = with_server(checkpoint, talk)
    [answer], [expected] = reply.json["predictions"], checkpoint.model.explain(["goal ?"])
    assert answer["label"] == expected.prediction.label and answer["words"] == expected.as_dict()["words"]


def test_bad_requests_are_one_line(gated: Gated) -> None:
    async def talk(client: Client) -> list[Reply]:
        return [await client.send("POST", "/predict", body, headers) for body, headers, *_ in BAD.values()]

    replies = with_server(gated, talk, SMALL)
    for (name, (_, _, status, says)), reply in zip(BAD.items(), replies, strict=True):
        assert (name, reply.status) == (name, status), reply.body
        assert says in reply.json["error"] and "\n" not in reply.json["error"], reply.body


def test_a_queue_without_room_for_an_explanation_says_so(gated: Gated) -> None:
    """Several requests would be no cure."""

    async def talk(client: Client) -> Reply:
        return await client.send("POST", "/predict", [b'{"texts": "a", "explain": true}'])

    reply = with_server(gated, talk, replace(SMALL, queue=100))
    assert reply.status == 422
    assert reply.json["error"] == "explain is off here: it takes the room of 128 texts, and the queue has 100"
    assert set(reply.json["says"]) == {"en", "ru"}, "the page shows it"


def test_a_body_that_does_not_end_is_not_waited_for(gated: Gated) -> None:
    reply = with_server(gated, lambda client: client.send("POST", "/predict", [b"{"], ends=False), SMALL)
    assert reply.status == 408 and "did not arrive within 0.05 s" in reply.json["error"]
    assert reply.headers["connection"] == "close"


def test_a_client_that_leaves_in_the_middle_of_its_body(gated: Gated) -> None:
    async def talk(client: Client) -> int:
        leave = asyncio.Event()
        leave.set()
        return (await client.send("POST", "/predict", [b"{"], leave=leave, ends=False)).status

    assert with_server(gated, talk) == 499


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/predict", 405, "/predict does not answer GET: use POST"),
        ("GET", "/nowhere", 404, "nothing is at /nowhere: use POST /predict"),
        ("GET", "/docs", 404, "nothing is at /docs"),
    ],
)
def test_other_paths_are_one_line(method: str, path: str, status: int, says: str, gated: Gated) -> None:
    reply = with_server(gated, lambda client: client.send(method, path))
    assert reply.status == status and says in reply.json["error"]


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_monitors_may_ask_for_the_head_alone(path: str, gated: Gated) -> None:
    assert with_server(gated, lambda client: client.send("HEAD", path)).status == 200


HOSTS = [
    (Address(), "127.0.0.1:80", 200),
    (Address(), "[::1]:8000", 200),
    (Address(), "LOCALHOST", 200),
    (Address(), "127.0.0.1.evil.example", 400),
    (Address(names=("model.local",)), "model.local", 200),
    (Address(host="0.0.0.0"), "any.example", 200),
    (Address(host="0.0.0.0", names=("model.local",)), "any.example", 400),
    (Address(host="0.0.0.0", names=("model.local",)), "localhost:8000", 200),
]


@pytest.mark.parametrize(("address", "host", "status"), HOSTS)
def test_the_host_header(address: Address, host: str, status: int, gated: Gated) -> None:
    reply = with_server(gated, lambda client: client.send("GET", "/healthz", headers={"host": host}), address=address)
    assert reply.status == status


def test_a_token_opens_what_costs_something(checkpoint: Checkpoint) -> None:
    async def talk(client: Client) -> list[int]:
        given = ["", "Bearer", "Bearer wrong", "Basic s3cret", "Bearer s3cret2", "Bearer \xe9", "bearer s3cret"]
        body = [b'{"texts": "a"}']
        tries = [await client.send("POST", "/predict", body, {"authorization": each}) for each in given]
        free = [await client.send("GET", path) for path in ("/", "/healthz", "/metrics", "/openapi.json")]
        assert tries[0].headers["www-authenticate"] == "Bearer"
        return [reply.status for reply in (*tries, *free)]

    statuses = with_server(checkpoint, talk, address=Address(token="s3cret"))
    assert statuses == [401] * 6 + [200] + [200, 200, 401, 401]


def test_the_interface_describes_itself(checkpoint: Checkpoint) -> None:
    async def talk(client: Client) -> tuple[Any, list[Reply]]:
        schema = (await client.send("GET", "/openapi.json")).json
        examples = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
        bodies = [json.dumps(each["value"]).encode() for name, each in examples.items() if name != "explained"]
        return schema, [await client.send("POST", "/predict", [body]) for body in bodies]

    schema, replies = with_server(checkpoint, talk)
    assert [reply.status for reply in replies] == [200, 200] and "top_k" in json.dumps(schema)
    shown = schema["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    required = shown["properties"]["predictions"]["items"]["required"]
    assert replies[0].json["predictions"][0].keys() == set(required)
