"""A set of request ids in 16 bytes each: the same answers as a set of strings, whatever the ids look like."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from depsim_dagster.replay.journal import id_set
from depsim_dagster.replay.journal.id_set import IdSet, id_key, id_keys


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


# Zero bytes at the end of the key, numbers, no hex digits, upper case, another length, beyond ASCII.
ODD = [
    "00" * 32,
    "ab" * 15 + "00" * 17,
    f"{7:064x}",
    f"{8:064d}",
    "g" * 64,
    "AB" * 32,
    "",
    "a",
    "é" * 32,
]


@pytest.mark.parametrize("texts", [[digest(i) for i in range(300)], ODD, [digest(1), *ODD]])
def test_a_column_and_its_values_have_the_same_keys(texts):
    assert id_keys(pa.array(texts)).tolist() == [id_key(text) for text in texts]
    part = pa.array(["skipped", *texts, "skipped"]).slice(1, len(texts))
    assert id_keys(part).tolist() == [id_key(text) for text in texts]
    assert len({id_key(text) for text in texts}) == len(texts)


@pytest.mark.parametrize("most_recent", [1, 7, 10_000])
def test_it_answers_as_a_set_does(monkeypatch, most_recent):
    monkeypatch.setattr(id_set, "MOST_RECENT", most_recent)
    texts = [digest(i % 400) for i in range(0, 900, 7)] + ODD
    ids, known = IdSet([pa.array(texts[:40]), pa.array(texts[20:50])]), set(texts[:50])
    for text in texts:
        assert ids.add(text) == (text not in known)
        known.add(text)
    assert ids == known and len(ids) == len(known)
    asked = [digest(i) for i in range(500)] + ODD + ["never added"]
    assert [text in ids for text in asked] == [text in known for text in asked]
    assert ids.holds(pa.array(asked)).to_pylist() == [text in known for text in asked]
    assert ids != known | {"one more"} and ids != known - {texts[0]}


def test_columns_are_taken_at_once():
    ids = IdSet(
        pa.array([digest(i) for i in range(start, start + 6_000)]) for start in range(0, 20_000, 5_000)
    )
    assert len(ids) == 21_000 and digest(20_999) in ids and digest(21_000) not in ids
    assert IdSet().holds(pa.array([], pa.string())).to_pylist() == []
