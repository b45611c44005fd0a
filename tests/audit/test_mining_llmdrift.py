"""Real drifts between two releases, found without a label: LLMDrift's recorded answers of gpt-4-0314 and gpt-4-0613."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.mining import mine
from depsim_dagster.audit.mining.pairs import Prefixes
from depsim_dagster.duckdb_sql import exact_file

SETS = ("PRIME_FULL", "OPINIONQA", "LEETCODE_EASY", "SENSITIVEQ")
MINIMUM = Minimum(5, 5)
TOP = 10


@pytest.fixture(scope="module")
def drift(shared_data: Path):
    folder = shared_data / "llmdrift"
    if not folder.is_dir():
        pytest.skip("../shared/data/llmdrift is absent: recorded answers are not part of the project")
    prefixes, sides, names = Prefixes(), ([], []), []
    for name in SETS:
        answers = (
            duckdb.connect()
            .sql(
                f"select new.query, new.answer, old.answer from {_answers(folder, name, 'gpt-4-0613')} new "
                f"join {_answers(folder, name, 'gpt-4-0314')} old using (query) order by query"
            )
            .fetchall()
        )
        for query, *both in answers:
            # Nobody wrote these prompts: each is a user and a conversation of its own.
            number = prefixes.add(query, query, query)
            names.append(name)
            for side, answer in zip(sides, both, strict=True):
                side.append((number, {"role": "assistant", "content": answer}))
    pairs = prefixes.pairs(np.arange(len(prefixes)), MINIMUM)
    mined = mine(pairs, lambda: [sides[0]], lambda: [sides[1]], MINIMUM, 0.05, b"a key")
    return mined, pairs, np.array(names)


def _answers(folder: Path, name: str, model: str) -> str:
    file = exact_file(folder / f"{name}_EVAL.csv")
    return f"(select query, any_value(answer) answer from read_csv({file}, all_varchar = true) where model like '%{model}' group by query)"


def segment_of(pairs, names, data_set):
    """The segment whose prefixes are this data set's, nearly all of them."""
    for code, name in enumerate(pairs.segment_names):
        inside = (pairs.segments == code).any(axis=1)
        if (names[inside] == data_set).mean() > 0.99 and inside.sum() > 0.95 * (names == data_set).sum():
            return name
    return None


@pytest.mark.parametrize(
    ("data_set", "description"),
    [
        ("PRIME_FULL", "an answer of at most 3 words"),
        ("OPINIONQA", "gives no opinion (subjective, or none of its own)"),
        ("LEETCODE_EASY", "has a code fence"),
    ],
)
def test_the_published_drift_is_among_the_top_findings(drift, data_set, description):
    mined, pairs, names = drift
    segment = segment_of(pairs, names, data_set)
    assert segment is not None
    rank = next(
        (
            row["rank"]
            for row in mined.rows
            if row["segment"] == segment and row["description"] == description
        ),
        None,
    )
    assert rank is not None and rank <= TOP
    first = next(row for row in mined.rows if row["segment"] == segment)
    assert first["description"] == description and first["discovered"] and first["difference"] > 0.5


def test_the_same_answers_on_both_sides_show_nothing(drift):
    _, pairs, _ = drift
    same = [(number, {"content": "yes indeed" if number % 7 else "no"}) for number in range(len(pairs))]
    again = mine(pairs, lambda: [same], lambda: [same], MINIMUM, 0.05, b"a key")
    assert again.tested > 0 and not any(row["discovered"] for row in again.rows)
