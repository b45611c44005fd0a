"""The parts of a candidate's section: comparison, correction, shift, variants, decomposition; registry and tests."""

from __future__ import annotations

import dataclasses
import json
import re

import pandas as pd
import pytest
from fake_study import CATEGORIES, MODELS, content

from depsim_dagster.privacy.gates.aggregates import published_aggregate, suppressed_where_few
from depsim_dagster.report.candidate_parts import candidate_parts
from depsim_dagster.report.comparison_part import comparison_part
from depsim_dagster.report.corrected_part import corrected_part
from depsim_dagster.report.page import render_report
from depsim_dagster.report.plain_rows import records
from depsim_dagster.report.registry_tables import chain_table, status_text
from depsim_dagster.report.report_content import RegistryState, ReportContent
from depsim_dagster.report.shift_part import MOST, shift_part
from depsim_dagster.report.study_report import report_json
from depsim_dagster.report.value_text import ratio_text
from depsim_dagster.report.verdict import candidates

NEW_TABLES = (
    "comparison",
    "corrected",
    "shift",
    "variants",
    "decomposition",
    "tests",
    "awareness",
    "giveaways",
    "behaviours",
    "differences",
    "ablation",
    "after_release",
    "decisions",
)
NEW_COLUMNS = (
    "pit", "called_direction", "called_correct", "direction_probability", "predictive_log_score", "variants", "tau_source",
    "amendment", "sequence", "code_version", "prefixes_hash", "tau", "tau_lower", "tau_upper", "intrinsic_sme",
    "intrinsic_sme_lower", "intrinsic_sme_upper", "called", "abstained",
)  # fmt: skip
HOSTILE = "<script>alert(1)</script>\"' {{7*7}}"


@pytest.fixture(scope="module")
def few() -> ReportContent:
    return content(categories=CATEGORIES[8:12])


@pytest.fixture(scope="module")
def html(few) -> str:
    return render_report(few)


def older(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=[name for name in NEW_COLUMNS if name in frame])


def test_every_part_stands_in_the_section_of_its_candidate(few):
    parts = candidate_parts(few, candidates(few))
    assert list(parts) == list(MODELS[1:])
    assert [part.title for part in parts[MODELS[1]]] == [
        "Against the predecessor on the same prefixes",
        "Novel behaviours",
        "Evaluation awareness",
        "Corrected for grader error",
        "Shift of the traffic",
        "Variants of the forecast",
        "Where the error comes from",
    ]
    assert not any(part.absent for each in parts.values() for part in each)


def test_a_store_of_an_earlier_version_still_gives_a_page(few):
    old = dataclasses.replace(
        few,
        calibration=older(few.calibration),
        forecasts=older(few.forecasts),
        summary=older(few.summary),
        registry=None,
        has_awareness=None,
        has_audit=None,
        **dict.fromkeys(NEW_TABLES, pd.DataFrame()),
    )
    page = render_report(old)
    for table in ("model_comparison", "corrected_rates", "traffic_shift", "error_decomposition"):
        assert len(re.findall(rf'class="absent">Absent: {table} has no row', page)) == 3
    assert page.count("Absent: awareness_rates has no row of it") == 3
    assert page.count("Absent: the audit has no row of it") == 3
    assert page.count("Absent: no other forecast was sealed with it.") == 3
    assert "Absent: registered_tests has no row" in page and "Absent: the registry was not given" in page
    document = json.loads(report_json(old))
    assert document["registry"] is None and document["model_comparison"] == []


def test_what_rose_comes_first_and_a_ratio_without_a_limit_is_open(few):
    rows = records(few.comparison[few.comparison["model"] == MODELS[1]])
    first, *rest = rows
    first |= {"rose": True, "p_value": 0.001, "both": 0, "only_candidate": 12, "only_predecessor": 0}
    first |= {"candidate_per_100k": 20.0, "predecessor_per_100k": 0.0}
    first |= {"ratio": None, "ratio_lower": 3.1, "ratio_upper": None}  # infinity is null in rows
    for row in rest:
        row |= {"rose": False}
    part = comparison_part([*rest, first])
    cells = part.tables[0]["rows"][0]
    assert cells[0] == first["category"] and cells[-1] == "▲ rose"
    assert "∞ (3.10–∞)" in cells and "0 / 12 / 0" in cells and "below 1 in 20,000" in cells
    assert f"Rose at a false discovery rate of 10 %: {first['category']}." in part.notes[0]
    assert "Nothing rose" in comparison_part(rest).notes[0]


def test_ratios():
    assert ratio_text(0.0, None, 1.28) == "0× (0–1.28)"
    assert ratio_text(1.84, 1.1, 3.25) == "1.84× (1.10–3.25)"
    assert ratio_text(None, None, None) == "–"


def test_corrected_stands_beside_raw_and_a_refusal_gives_its_reason(few):
    rows = records(few.corrected[few.corrected["model"] == MODELS[1]])
    part = corrected_part(rows)
    by_category = {cells[0]: cells for cells in part.tables[0]["rows"]}
    for row in rows:
        if row["source"] == "simulated":
            cells = by_category[row["category"]]
            assert cells[6] == row["reason"]
            assert (cells[2] == "–") == (cells[3] == "not corrected") == (row["method"] == "refused")
    assert any("16/30" in cells for cells in by_category.values()), "the fake study corrects at least one"
    assert part.notes[0].startswith(
        "Production after the release: no rate is corrected; no turn of the production"
    )
    hidden = [
        row | {"suppressed": True, "n": None, "k": None, "reason": "rests on fewer than 5 users"}
        for row in rows
    ]
    assert corrected_part(hidden).withheld


def test_rates_of_which_people_read_nothing_are_one_line():
    rows = [
        {"category": f"c{wanted}", "source": "simulated", "method": "refused", "audited": 0, "known_positives": 0,
         "reason": f"0 of {wanted} flagged turns of this rate are audited, of at least {wanted}"}
        for wanted in (2, 5)
    ]  # fmt: skip
    part = corrected_part(rows)
    assert not part.tables and "depsim review plan" in part.notes[0]
    part = corrected_part([*rows[:1], rows[1] | {"audited": 1, "confirmed": 1, "k": 3, "n": 9}])
    assert len(part.tables[0]["rows"]) == 2


def test_poor_overlap_is_warned_of_beside_the_verdict(few, html):
    warning = "39 % of the target mix has fewer than 20 sampled turns"
    assert html.count(f'<p class="warning">{warning}') == 1  # in the section
    assert html.count(f"Shift of the traffic</a>: {warning}") == 1  # and on the card
    part = shift_part(records(few.shift[few.shift["model"] == MODELS[1]]))
    assert not part.warnings and "effective sample 912 turns (402 users)" in part.notes[0]
    assert "99.6 % of the target mix" in part.notes[0]


def test_a_mix_of_many_cells_shows_those_that_change_most(few):
    row = records(few.shift)[0]
    rows = [
        row | {"value": f"v{i}", "weighted_as": f"v{i}", "target_share": row["sampled_share"] + i / 1000}
        for i in range(25)
    ]
    part = shift_part(rows)
    assert [cells[1] for cells in part.tables[0]["rows"]] == [f"v{i}" for i in range(24, 24 - MOST, -1)]
    assert "5 more are in the JSON file" in part.notes[1]


def test_counts_of_too_few_users_are_withheld(few):
    shown = published_aggregate("traffic_shift", few.shift, 5)
    hidden = shown[shown["suppressed"]]
    # Icelandic rests on one user; German, the next, goes with it, or its share could be worked out from the total.
    assert set(few.shift["value"][hidden.index]) == {"is", "de"} and hidden["sampled_turns"].isna().all()
    assert not {"is", "de"} & set(shown["value"]), "a language of few users names them"
    assert hidden["effective_n"].notna().all(), "what is said of the whole sample stays"
    part = shift_part(records(shown[shown["model"] == MODELS[1]]))
    assert part.withheld and sum("withheld" in cells for cells in part.tables[0]["rows"]) == 2
    compared = published_aggregate("model_comparison", few.comparison.assign(users=3), 5)
    assert compared["ratio"].isna().all() and compared["level"].notna().all()
    part = comparison_part(records(compared[compared["model"] == MODELS[1]]))
    assert part.withheld and all(set(cells[1:]) == {"withheld"} for cells in part.tables[0]["rows"])
    assert not len(suppressed_where_few(pd.DataFrame(), 5, ("users",)))


def test_only_the_latest_amendment_is_the_forecast(few):
    amended = few.forecasts[few.forecasts["model"] == MODELS[2]].assign(
        amendment=1, rate_per_100k=123_4.5, k=740, forecast_hash="the hash of the amendment"
    )
    both = dataclasses.replace(
        few,
        calibration=few.calibration[few.calibration["model"] != MODELS[2]],
        forecasts=pd.concat([few.forecasts, amended], ignore_index=True),
    )
    assert len(candidates(both)[MODELS[2]]) == len(amended)
    page = render_report(both)
    assert "1,234" in page and "the hash of the amendment" in page
    assert page.count(f"{MODELS[2]} on the traffic of {MODELS[1]}: sealed forecast of 4 categories") == 1
    assert len(json.loads(report_json(both))["forecasts"]) == len(few.forecasts) + len(amended)


def test_the_chain_lists_every_entry_with_what_was_amended(few):
    rows = chain_table(few.registry)["rows"]
    assert [cells[0] for cells in rows] == ["0", "1", "2", "3", "4"]
    assert [cells[2] for cells in rows] == [
        "forecast",
        "forecast (amended since)",
        "amendment 1",
        "forecast",
        "outcome opened, week 2026-01-26",
    ]
    assert rows[0][6] == "none: the first" and rows[1][6] == rows[0][5]


def test_a_broken_registry_is_said_to_be_broken(few, html):
    assert "✓ Verified when this page was made: 5 entries" in html and "changed: graded_labels" in html
    finding = {"severity": "broken", "where": "entry 1", "problem": HOSTILE, "way_out": "restore it"}
    broken = dataclasses.replace(few.registry, intact=False, findings=[finding])
    page = render_report(dataclasses.replace(few, registry=broken))
    assert (
        '<p class="warning">✗ Not intact' in page and "<script>alert" not in page and "✓ Verified" not in page
    )
    refused = RegistryState(refused="there is no key")
    assert status_text(refused) == "✗ The registry could not be verified: there is no key"


def test_registered_tests_with_their_results(html):
    text = html[html.index('<h2 id="tests"') : html.index('<h2 id="trend"')]
    assert "✓ supported" in text and "✗ not supported" in text and "not testable" in text
    assert "0.84 (0.21 to 1.60)" in text and "the study replays no challenging prompts" in text


def test_noise_floor_tau_calls_and_pit_stand_beside_the_errors(few, html):
    assert (
        "a perfect simulator would score" in html
        and "without sampling error: " in html
        and "from τ = " in html
    )
    called = few.calibration[few.calibration["model"] == MODELS[1]]
    right, known = called["called_correct"].sum(), called["called_correct"].notna().sum()
    abstained = (called["called_direction"] == 0).sum()
    assert f"sure calls: {right} of {known} right" in html and f"; {abstained} abstained" in html
    assert "PIT of 4 observed counts" in html


def test_hostile_text_of_the_new_tables_stays_text(few):
    spoilt = {}
    for name in NEW_TABLES:
        frame = getattr(few, name).copy()
        kept = {"model", "simulated_model", "component", "variant", "source", "measure", "behaviour"}
        for column in frame.columns.difference(list(kept)):
            if frame[column].dropna().map(lambda value: isinstance(value, str)).any():
                frame[column] = HOSTILE
        spoilt[name] = frame
    page = render_report(dataclasses.replace(few, **spoilt))
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page and "{{7*7}}" in page
