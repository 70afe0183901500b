"""Hashes of values and of files, by known answers."""

from pathlib import Path

from tithe import storage


def test_digest_known_answers() -> None:
    assert storage.digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert storage.digest({"a": 1, "b": [1, 2]}) == storage.digest({"b": [1, 2], "a": 1})
    assert storage.digest({"x": {"a": 1, "b": 2}}) == storage.digest({"x": {"b": 2, "a": 1}})
    different = [[1, 2], [2, 1], ["1", 2], {"1": 2}, "12", 12, None, "null", "я", "\u0439", "и\u0306"]
    assert len({storage.digest(value) for value in different}) == len(different)


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert storage.sha256_file(tmp_path / "file") == expected
