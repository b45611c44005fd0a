"""What the section on data quality says, computed from literal tables and from a real lake."""

import datetime as dt
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pytest

from depsim_dagster.lake import GateMark, Lake
from depsim_dagster.report.quality_content import (
    canary_recall,
    changed_samples,
    records_of_logs,
    replaced,
)
from depsim_dagster.report.quality_tables import funnels
from depsim_dagster.report.value_text import generic_cell
from depsim_dagster.traffic.schema import INGESTED_FILES, REJECTED_RECORDS

SEALED = pd.Timestamp("2026-02-01T00:00:00Z")
SCORED = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
FORECAST = {
    "model": "v2",
    "deployment": "v1",
    "forecast_weeks": ["2026-01-05", "2026-01-12"],
    "sealed_at": SEALED,
}


def change(source, model, week, changed_at, turns=2):
    return {
        "week": week,
        "model": model,
        "source": source,
        "table": "graded_labels",
        "turns_removed": turns,
        "receipt_id": "r",
        "changed_at": pd.Timestamp(changed_at),
    }


def parts(*changes, forecasts=(FORECAST,)):
    found = changed_samples(
        pd.DataFrame(changes), pd.DataFrame(forecasts), {"v2": SCORED}, {"v2": ["2026-02-02"]}
    )
    return {row["part"]: (row["weeks"], row["turns_removed"]) for row in found.to_dict("records")}


def test_a_forecast_has_changed_when_its_own_weeks_lost_turns_after_it_was_sealed():
    assert parts(
        change("simulated", "v2", "2026-01-05", "2026-02-02T00:00:00Z"),
        change("simulated", "v2", "2026-01-12", "2026-02-03T00:00:00Z"),
        change("simulated", "v2", "2026-01-12", "2026-01-31T00:00:00Z", 50),  # before the seal
        change("simulated", "v2", "2026-01-19", "2026-02-02T00:00:00Z", 50),  # another week
        change("simulated", "v3", "2026-01-05", "2026-02-02T00:00:00Z", 50),  # another model
    ) == {"forecast (X→Y)": (["2026-01-05", "2026-01-12"], 4)}


def test_the_predecessor_and_the_outcome_change_too():
    later = "2026-03-02T00:00:00Z"
    assert parts(
        change("simulated", "v1", "2026-01-05", later),
        change("production", "v2", "2026-02-02", later, 3),
        change("production", "v1", "2026-01-12", later, 5),
        change("production", "v2", "2026-02-02", "2026-02-20T00:00:00Z", 50),  # before it was scored
    ) == {
        "predecessor (Y→Y)": (["2026-01-05"], 2),
        "outcome": (["2026-02-02"], 3),
        "previous production": (["2026-01-12"], 5),
    }
    assert parts() == {} and parts(change("simulated", "v2", "2026-01-05", later), forecasts=()) == {}


def mark(suite, **measures):
    return GateMark(suite, "1", "c", "1", "now", 1, measures=measures)


def test_canaries_of_all_weeks_are_counted_by_type():
    weeks = [
        [mark("canaries", email=(40, 40), person=(40, 36)), mark("privacy", email=(1, 0))],
        [mark("canaries", email=(40, 39))],
    ]
    found = canary_recall(weeks)
    assert found.to_dict("records") == [
        {"type": "email", "planted": 80, "found": 79, "recall": 79 / 80, "weeks": 2},
        {"type": "person", "planted": 40, "found": 36, "recall": 0.9, "weeks": 1},
    ]
    assert canary_recall([[mark("canaries", email=(0, 0))], [mark("consent")]]) is None


def prefixes(week, *rows):
    return pd.DataFrame(
        [
            {
                "week": week,
                "user_id": user,
                "prefix_source": "deployment_traffic",
                "identifiers_replaced": sum(types.values()),
                "identifiers_by_type": sorted(types.items()),
                "residual_identifiers": 0,
                "attachments_dropped": 1,
            }
            for user, types in rows
        ]
    )


def test_replaced_details_are_counted_by_week_and_type():
    first = prefixes("w1", ("a", {"email": 2}), ("b", {"email": 1, "phone": 3}), ("c", {}))
    second = prefixes("w2", ("a", {"phone": 1}), ("d", {"phone": 1}))
    by_week, by_type = replaced([first, second], k=2)
    assert by_week.drop(columns="suppressed").to_dict("records") == [
        {
            "week": "w1", "prefix_source": "deployment_traffic", "turns": 3, "turns_with_details": 2,
            "details_replaced": 6, "residual_details": 0, "attachments_dropped": 3,
        },
        {
            "week": "w2", "prefix_source": "deployment_traffic", "turns": 2, "turns_with_details": 2,
            "details_replaced": 2, "residual_details": 0, "attachments_dropped": 2,
        },
    ]  # fmt: skip
    assert by_type.to_dict("records") == [
        {"type": "email", "details_replaced": 3, "suppressed": False},
        {"type": "phone", "details_replaced": 5, "suppressed": False},
    ]
    assert replaced([], k=2) == (None, None)


def test_what_rests_on_too_few_users_is_withheld():
    rows = [(f"user {number}", {"email": 1, "phone": 1}) for number in range(6)] + [("user 0", {"iban": 7})]
    quiet = [(f"user {number}", {"email": 1} if number < 4 else {}) for number in range(8)]
    by_week, by_type = replaced(
        [prefixes("w1", *rows), prefixes("w2", *rows[:2]), prefixes("w3", *quiet)], k=5
    )
    shown = {row.pop("week"): row for row in by_week.drop(columns="prefix_source").to_dict("records")}
    numbers = ("turns", "turns_with_details", "details_replaced", "residual_details", "attachments_dropped")
    assert tuple(shown["w1"][name] for name in numbers) == (7, 7, 19, 0, 7) and not shown["w1"]["suppressed"]
    assert [name for name in numbers if pd.isna(shown["w2"][name])] == [
        "turns", "turns_with_details", "details_replaced", "attachments_dropped",
    ]  # fmt: skip
    # Eight users are behind the turns of the third week, and four behind its details.
    assert [name for name in numbers if pd.isna(shown["w3"][name])] == [
        "turns_with_details",
        "details_replaced",
    ]
    assert shown["w2"]["suppressed"] and shown["w3"]["suppressed"]
    assert by_type.set_index("type")["details_replaced"].isna().to_dict() == {
        "email": False,
        "iban": True,
        "phone": True,  # the smallest other one, or the total would give the iban away
    }


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "store")


def ingest(lake, file, name, records, rejected, indexed_at, log_format="depsim"):
    row = {
        "file": file, "name": name, "kind": "parquet", "compression": "none", "format": log_format, "content": file,
        "bytes": 1, "state": file, "records": records, "rejected": len(rejected), "conversations": records - len(rejected),
        "user_turns": 3 * records, "malformed_turns": 0, "future_records": 0, "latest": indexed_at, "indexed_at": indexed_at,
        "sandbox": True,
    }  # fmt: skip
    lake.write(INGESTED_FILES, {"file": file}, pa.Table.from_pylist([row], schema=INGESTED_FILES.schema))
    rows = [
        {
            "file": file,
            "name": name,
            "record": at,
            "line": None,
            "reason": reason,
            "field": None,
            "sandbox": True,
        }
        for at, reason in enumerate(rejected)
    ]
    lake.write(REJECTED_RECORDS, {"file": file}, pa.Table.from_pylist(rows, schema=REJECTED_RECORDS.schema))


def test_rejected_records_are_counted_by_reason_and_a_changed_file_once(lake):
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    ingest(lake, "a1", "a.parquet", 50, ["not_json"] * 50, day)
    ingest(lake, "a2", "a.parquet", 60, ["no_time", "no_time", "not_json"], day + dt.timedelta(1))
    ingest(lake, "b1", "b.parquet", 10, ["no_time"], day)
    ingest(lake, "c1", "c.jsonl", 5, [], day, log_format="openai_chat")
    files, rejected = records_of_logs(SimpleNamespace(lake=lake))
    assert files[["format", "files", "records", "rejected", "user_turns"]].to_dict("records") == [
        {"format": "depsim", "files": 2, "records": 70, "rejected": 4, "user_turns": 210},
        {"format": "openai_chat", "files": 1, "records": 5, "rejected": 0, "user_turns": 15},
    ]
    assert rejected[["reason", "records", "files"]].to_dict("records") == [
        {"reason": "no_time", "records": 3, "files": 2},
        {"reason": "not_json", "records": 1, "files": 1},
    ]
    assert "a.parquet" not in files.to_json() + rejected.to_json(), "names of files stay in the lake"


def test_before_any_log_is_read_nothing_is_known(lake):
    assert records_of_logs(SimpleNamespace(lake=lake)) == (None, None)


def test_a_rule_that_took_turns_in_a_later_week_only_stands_at_its_place():
    weeks = {
        "2026-01-05": ["api", "not_sampled", "sampled"],
        "2026-01-12": ["temporary_chat", "api", "near_duplicate", "not_sampled", "sampled"],
    }
    frame = pd.DataFrame(
        [
            {"week": week, "prefix_source": "deployment_traffic", "rule": rule, "turns": 9, "order": order}
            for week, rules in weeks.items()
            for order, rule in enumerate(rules)
        ]
    )
    (funnel,) = funnels(frame)
    assert [rule["rule"] for rule in funnel["rules"]] == weeks["2026-01-12"]


def test_a_missed_detail_is_not_rounded_away():
    shown = [generic_cell({"recall": recall}, "recall") for recall in (1.0, 0.99999, 438 / 440, 0.84)]
    assert shown == ["1.00", "0.999", "0.995", "0.840"]
