"""Canaries: planted among the real rows, counted, and gone before anything is written."""

import datetime as dt
import json
from random import Random

import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import binom
from stdnum import bitcoin, iban, imei, luhn

from depsim_dagster.config_sections import DeidentificationConfig
from depsim_dagster.errors import GateError
from depsim_dagster.lake import Lake
from depsim_dagster.privacy.deidentify import deidentify
from depsim_dagster.privacy.gates import canaries as canaries_module
from depsim_dagster.privacy.gates.canaries import FALSE_ALARM, Canaries, folded, recall_limits
from depsim_dagster.privacy.gates.canary_phrases import PHRASINGS, TYPES
from depsim_dagster.privacy.gates.canary_values import LANGUAGES
from depsim_dagster.privacy.gates.gate import run_gate
from depsim_dagster.privacy.gates.suites import read_suite
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

NOON = dt.datetime(2026, 1, 6, 12, tzinfo=dt.UTC)
WORDS = "Please write a loop over all of them."


def real_batches(*sizes: int) -> list[pa.RecordBatch]:
    """Sampled rows without a detail, in batches of these sizes."""

    def value(column: pa.Field, number: int):
        if column.type == pa.string():
            return f"{number:032x}"
        return {pa.bool_(): False, pa.float64(): 1.0}.get(
            column.type, NOON if "timestamp" in str(column.type) else 1
        )

    numbers = iter(range(sum(sizes)))
    return [
        pa.RecordBatch.from_pylist(
            [
                {column.name: value(column, number) for column in SAMPLED_TRAFFIC.schema}
                | {
                    "week": "2026-01-05",
                    "prefix": json.dumps([{"role": "user", "content": f"{WORDS} {number}"}]),
                    "target": "[]",
                    "tools": None,
                    "attributes": None,
                    "language": "en",
                }
                for number in [next(numbers) for _ in range(size)]
            ],
            schema=SAMPLED_TRAFFIC.schema,
        )
        for size in sizes
    ]


def as_deidentified(batches, change=lambda text: text):
    """A de-identification of the text columns that is nothing but `change`."""
    for batch in batches:
        rows = [
            row | {column: change(row[column]) for column in ("prefix", "target")}
            for row in batch.to_pylist()
        ]
        filled = [
            {column.name: row.get(column.name, _nothing(column)) for column in DEIDENTIFIED_PREFIXES.schema}
            for row in rows
        ]
        yield pa.RecordBatch.from_pylist(filled, schema=DEIDENTIFIED_PREFIXES.schema)


def _nothing(column: pa.Field):
    if pa.types.is_string(column.type):
        return ""
    return [] if pa.types.is_map(column.type) or pa.types.is_list(column.type) else 0


def blank(text: str) -> str:
    return json.dumps([{"role": "user", "content": "gone"}])


def through(canaries: Canaries, change=lambda text: text, sizes=(60, 40)) -> pa.Table:
    planted = canaries.planted_among(real_batches(*sizes), sum(sizes))
    return pa.Table.from_batches(canaries.withheld_from(as_deidentified(planted, change)))


# ------------------------------------------------------------------------------------------------------- among the rows
def test_real_rows_come_through_whole_and_in_order_and_no_canary_does():
    canaries = Canaries(3)
    kept = through(canaries)
    assert kept.column("turn_id").to_pylist() == [f"{number:032x}" for number in range(100)]
    assert canaries.left_in(kept.column("turn_id").to_pylist()) == 0
    assert [json.loads(prefix)[0]["content"] for prefix in kept.column("prefix").to_pylist()] == [
        f"{WORDS} {number}" for number in range(100)
    ]


def test_canaries_stand_in_every_batch_between_real_rows_and_look_like_them():
    canaries = Canaries(3)
    for batch in canaries.planted_among(real_batches(60, 40), 100):
        rows = batch.to_pylist()
        planted = [row for row in rows if canaries.left_in([row["turn_id"]])]
        assert planted and canaries.left_in([rows[0]["turn_id"], rows[-1]["turn_id"]]) < 2
        places = [place for place, row in enumerate(rows) if canaries.left_in([row["turn_id"]])]
        assert max(places) - min(places) > len(places), "they are not one block"
        for row in planted:
            assert len(row["turn_id"]) == 32 and row["week"] == "2026-01-05" and row["deployment"]
            assert json.loads(row["prefix"])[-1]["role"] == "user" and json.loads(row["target"])


@pytest.mark.parametrize("sizes", [(1,), (1, 1), (2000, 2000, 1), (3, 0, 5)])
def test_whatever_the_batches_every_canary_is_planted(sizes):
    canaries = Canaries(2)
    kept = through(canaries, blank, sizes)
    assert kept.num_rows == sum(sizes)
    assert set(canaries.counts().values()) == {(2, 2)}


def test_where_the_canaries_stood_leaves_no_trace_in_the_partition(tmp_path):
    lake, contents = Lake(tmp_path), set()
    for _ in range(3):
        canaries = Canaries(2)
        planted = canaries.planted_among(real_batches(1500, 1500), 3000)
        kept = canaries.withheld_from(as_deidentified(planted))
        contents.add(lake.quarantine(DEIDENTIFIED_PREFIXES, {"week": "2026-01-05"}, kept).content)
    assert len(contents) == 1


def _rename(batches):
    for batch in batches:
        names = pa.array([f"{place:032d}" for place in range(batch.num_rows)])
        place = batch.schema.get_field_index("turn_id")
        yield batch.set_column(place, batch.schema.field(place), names)


@pytest.mark.parametrize("lose", [_rename, lambda batches: (batch.slice(0, 3) for batch in batches)])
def test_canaries_that_do_not_come_back_stop_the_week(lose):
    canaries = Canaries(3)
    planted = canaries.planted_among(real_batches(60), 60)
    with pytest.raises(GateError, match="planted rows did not come back"):
        list(canaries.withheld_from(lose(as_deidentified(planted))))


def test_canaries_that_were_never_planted_stop_the_week():
    canaries = Canaries(3)
    planted = canaries.planted_among(
        real_batches(10), 10_000
    )  # as many rows as somebody wrote into the manifest
    with pytest.raises(GateError, match="planted rows did not come back"):
        list(canaries.withheld_from(as_deidentified(planted)))


# -------------------------------------------------------------------------------------------------------- what is planted
def test_every_type_is_planted_as_often_as_asked_for():
    canaries = Canaries(4)
    through(canaries, blank)
    assert canaries.counts() == dict.fromkeys(TYPES, (4, 4))


def test_they_are_of_many_languages_and_forms():
    canaries = Canaries(20, Random(5))
    rows = [
        row
        for batch in canaries.planted_among(real_batches(50), 50)
        for row in batch.to_pylist()
        if canaries.left_in([row["turn_id"]])
    ]
    assert {row["language"] for row in rows} == set(LANGUAGES)
    text = "\n".join(row["prefix"] for row in rows)
    assert "tool_calls" in text and "```python" in text and "| address |" in text
    assert "\u200b" in text and any("\uff01" <= character <= "\uff5e" for character in text)
    assert min(len(json.loads(row["prefix"])) for row in rows) >= 3, "several turns each"


def test_no_two_runs_plant_the_same():
    def values() -> set[str]:
        canaries = Canaries(3)
        list(canaries.planted_among(real_batches(10), 10))
        needles = {
            needle for row in canaries._planted.values() for detail in row for needle in detail.needles
        }
        return {needle for needle in needles if len(needle) >= 12 and any(map(str.isdigit, needle))}

    first, second = values(), values()
    assert len(first) > 20 and not first & second


def test_numbers_with_check_digits_are_right():
    random = Random(11)
    judges = {
        "card": lambda value: luhn.is_valid(value.replace(" ", "").replace("-", "")),
        "iban": iban.is_valid,
        "imei": imei.is_valid,
        "wallet": lambda value: value.startswith("0x") or bitcoin.is_valid(value),
    }
    for phrasing in PHRASINGS:
        if phrasing.field in ("card_number", "iban", "imei", "wallet"):
            judge = judges[phrasing.field.removesuffix("_number")]
            assert all(judge(phrasing.value(random, language)[0]) for language in LANGUAGES * 4)


def test_every_detail_has_its_needles_in_its_sentence_in_every_language():
    random = Random(3)
    for phrasing in PHRASINGS:
        assert "en" in phrasing.sentences
        for language, sentences in phrasing.sentences.items():
            for sentence in sentences:
                value, needles = phrasing.value(random, language)
                assert sentence.count("{v}") == 1 and needles
                assert all(needle in sentence.format(v=value) for needle in needles)


# ---------------------------------------------------------------------------------------------------------- what is found
def test_an_engine_that_finds_nothing_is_seen_for_every_type():
    canaries = Canaries(10)
    through(canaries)
    assert canaries.counts() == dict.fromkeys(TYPES, (10, 0))


@pytest.mark.parametrize(
    ("needle", "text", "missed"),
    [
        ("jane.d@example.com", "write to jane.d@example.com", 1),
        ("jane.d@example.com", "write to ｊａｎｅ．ｄ＠ｅｘａｍｐｌｅ．ｃｏｍ", 1),
        ("jane.d@example.com", "write to jane\u200b.d@exa\u00admple.com", 1),
        ("Guérin", "GUE\u0301RIN", 1),
        ("jane.d@example.com", "write to june.d@example.org", 0),
        ("93", "1934", 0),
        ("93", "She is 93.", 1),
        ("8-7", "18-74", 0),
    ],
)
def test_a_detail_is_missed_however_it_is_written(needle, text, missed):
    assert canaries_module._stands(folded(needle), folded(text)) == bool(missed)


def test_json_inside_of_a_text_is_searched_as_it_is_read():
    canaries = Canaries(1)
    planted = list(canaries.planted_among(real_batches(5), 5))

    def hide(text: str) -> str:
        # Everything as a JSON text with escapes: an é is written é.
        return json.dumps([{"role": "user", "content": json.dumps(json.loads(text), ensure_ascii=True)}])

    list(canaries.withheld_from(as_deidentified(planted, hide)))
    assert canaries.counts() == dict.fromkeys(TYPES, (1, 0))


# ------------------------------------------------------------------------------------------------------------- thresholds
def thresholds() -> dict[str, float]:
    definition, _ = read_suite("canaries")
    return {
        expectation["kwargs"]["column"].removeprefix("recall_"): expectation["kwargs"]["min_value"]
        for expectation in definition["expectations"]
    }


def test_the_suite_asks_for_every_type_that_is_planted_and_for_no_other():
    assert tuple(thresholds()) == TYPES


@pytest.mark.parametrize("planted", [1, 40, 200])
def test_an_engine_at_its_thresholds_is_stopped_in_fewer_than_one_run_in_ten_thousand(planted):
    """By adding up, over every type and every count, the probability of the counts that fail."""
    stopped, asked = 0.0, thresholds()
    for found in range(planted + 1):
        for type_, limit in recall_limits(dict.fromkeys(TYPES, (planted, found))).items():
            stopped += binom.pmf(found, planted, asked[type_]) if limit < asked[type_] else 0
    assert stopped < FALSE_ALARM


def test_an_engine_that_went_blind_to_most_of_one_type_is_stopped():
    for type_ in TYPES:
        frame = pd.DataFrame([recall_limits(dict.fromkeys(TYPES, (40, 40)) | {type_: (40, 12)})])
        asked = thresholds()
        assert [name for name in TYPES if frame.at[0, name] < asked[name]] == [type_]


def test_the_gate_compares_the_limits():
    def passes(counts) -> list[str]:
        report = run_gate("canaries", pd.DataFrame([recall_limits(counts)]).add_prefix("recall_"))
        return [finding.column for finding in report.findings if not finding.success]

    sound = dict.fromkeys(TYPES, (40, 40))
    assert passes(sound) == [] and passes(dict.fromkeys(TYPES, (0, 0))) == []
    assert passes(sound | {"email": (40, 38), "person": (40, 33)}) == []
    assert passes(sound | {"email": (40, 32), "person": (40, 20)}) == ["recall_person", "recall_email"]
    assert passes({**sound, "card": (40, 0)}) == ["recall_card"]


def test_the_embedded_engine_passes():
    canaries = Canaries(40, Random(8))
    planted = canaries.planted_among(real_batches(60), 60)
    list(canaries.withheld_from(deidentify(planted, b"a key of this test", DeidentificationConfig())))
    limits, asked = recall_limits(canaries.counts()), thresholds()
    assert {type_: canaries.counts()[type_] for type_ in TYPES if limits[type_] < asked[type_]} == {}
