"""The page: escaping, self-containment, structure, zeros, labels, determinism, and the JSON beside it."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from fake_study import CATEGORIES, MODELS, content, rate_calibration

from depsim_dagster.errors import LakeError
from depsim_dagster.estimation.counts import below_text
from depsim_dagster.report.page import render_report
from depsim_dagster.report.plain_rows import visible
from depsim_dagster.report.plain_tables import mart_tables
from depsim_dagster.report.report_content import (
    SANDBOX_LABEL,
    SANDBOX_SHORT,
    DataQuality,
    ReportContent,
)
from depsim_dagster.report.study_report import report_json, write_report
from depsim_dagster.report.value_text import (
    generic_cell,
    number_text,
    probability_text,
    rate_cell,
    times_text,
)
from depsim_dagster.report.verdict import candidates, verdict

VOID = {"meta", "br", "img", "link", "input", "hr"}
HOSTILE = (
    "<script>alert(1)</script>\"' onload=x $\\frac{1}{0}$ #1c2530 url(#a) {{7*7}} </svg>\x1b[31m\u202e\x00"
)


class Page(HTMLParser):
    """Tags with attributes, in order; checks that every opened element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.texts, self.problems = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if len({name for name, _ in attributes}) != len(attributes):
            self.problems.append(f"doubled attribute in {tag}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.texts.append((tuple(self.open), data))

    def text_in(self, tag: str) -> list[str]:
        return [data for path, data in self.texts if tag in path]


@pytest.fixture(scope="module")
def study() -> ReportContent:
    return content()


@pytest.fixture(scope="module")
def few() -> ReportContent:
    """Four categories, for tests that render again."""
    return content(categories=CATEGORIES[8:12])


@pytest.fixture(scope="module")
def html(study) -> str:
    return render_report(study)


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def hostile() -> str:
    categories = [(f"{HOSTILE}{i}", HOSTILE if i % 2 else "misalignment") for i in range(4)]
    made = content(categories=categories, models=("v1", HOSTILE, "v3"))
    return render_report(
        dataclasses.replace(
            made,
            study=HOSTILE,
            measurement_stack={HOSTILE: HOSTILE},
            gates=[{"week": HOSTILE, "suite": HOSTILE, "success": None}],
            marts={HOSTILE: pd.DataFrame({HOSTILE: [HOSTILE]})},
            data_quality=DataQuality(
                outcomes={HOSTILE: 1},
                rejected=pd.DataFrame({HOSTILE: [HOSTILE]}),
                overrides=pd.DataFrame(
                    [
                        dict.fromkeys(
                            ("suite", "expectation", "column", "approved_by", "reason", "week"), HOSTILE
                        )
                        | {"unexpected_rows": 1}
                    ]
                ),
                sample_changes=pd.DataFrame(
                    [
                        {
                            "candidate": HOSTILE,
                            "part": HOSTILE,
                            "weeks": [HOSTILE],
                            "turns_removed": 1,
                            "changed_at": HOSTILE,
                        }
                    ]
                ),
            ),
            funnel=pd.DataFrame(
                [{"week": HOSTILE, "prefix_source": HOSTILE, "rule": HOSTILE, "turns": 3, "order": 0}]
            ),
        )
    )


def test_the_page_is_well_formed_and_its_ids_are_unique(page):
    assert page.problems == [] and page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {attributes["href"][1:] for _, attributes in page.tags if "href" in attributes}
    named = {name for _, a in page.tags for name in a.get("aria-labelledby", "").split()}
    clips = {a["clip-path"][5:-1] for _, a in page.tags if "clip-path" in a}
    assert targets and clips and targets | named | clips <= set(ids)


def test_nothing_outside_the_file_is_referred_to(html, page):
    assert not re.search(r"https?://|//cdn|@import|javascript:", html)
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "img", "object"} == set()
    for tag, attributes in page.tags:
        assert "src" not in attributes and "xlink:href" not in attributes
        assert attributes.get("href", "#").startswith("#"), tag
        assert all(
            found == "#" for found in re.findall(r"url\((.)", " ".join(v or "" for v in attributes.values()))
        )


def test_hostile_names_stay_text_everywhere(hostile):
    page = Page(hostile)
    assert page.problems == [] and page.open == []
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "\x1b" not in hostile and "\u202e" not in hostile and "\x00" not in hostile
    cleaned = "<script>alert(1)</script>\"' onload=x $\\frac{1}{0}$ #1c2530 url(#a) {{7*7}} </svg>"
    assert any(cleaned in text for text in page.text_in("th"))
    assert any(cleaned in text for text in page.text_in("title")), "the SVG's own title is literal too"
    assert any(text.startswith("<script>alert(1)") for text in page.text_in("text")), (
        "the names in figures are literal"
    )


def test_headings_descend_one_level_at_a_time(page, html):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert html.index('id="verdict"') < html.index('id="read"') < html.index('id="candidate-1"'), (
        "the verdict comes first"
    )


def test_tables_and_figures_are_accessible(page):
    count = [tag for tag, _ in page.tags].count
    assert count("caption") == count("table") > 6 and count("figcaption") == count("figure") == 2 + 2 * 3
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert all(a.get("role") == "img" and a.get("aria-labelledby") for tag, a in page.tags if tag == "svg")
    regions = [a for tag, a in page.tags if "scroll" in (a.get("class") or "").split()]
    assert regions and all(
        a["tabindex"] == "0" and a["role"] == "region" and a["aria-label"] for a in regions
    )


def test_sandbox_label_is_on_top_and_on_every_figure_and_table(html):
    body = html[html.index("<body>") :]
    assert SANDBOX_LABEL in body[:200]
    for element in ("caption", "figcaption", "svg"):
        blocks = re.findall(rf"<{element}\b.*?</{element}>", html, re.S)
        assert blocks and all(SANDBOX_SHORT in block for block in blocks), element


def test_sandbox_label_survives_a_forgotten_flag_and_is_absent_from_a_real_study(few):
    assert SANDBOX_LABEL in render_report(dataclasses.replace(few, sandbox=False))
    assert "SANDBOX" not in render_report(content(sandbox=False, categories=CATEGORIES[:3]))


def test_kind_is_shown():
    assert "retrospective" in render_report(content(categories=CATEGORIES[:3]))
    registered = render_report(content(kind="registered", categories=CATEGORIES[:3]))
    assert (
        '<span class="tag">registered</span>' in registered
        and '<span class="tag">retrospective</span>' not in registered
    )


def test_zero_events_are_a_bound_and_never_a_zero(study, html):
    zero = study.calibration[study.calibration["observed_k"] == 0].iloc[0]
    # The limit is a little above one turn in N: 1/N is never below it, and both stand there.
    upper = zero["observed_upper_per_100k"]
    assert (
        below_text(upper) in html and f"0–{upper:.2f}" in html and below_text(upper).startswith("below 1 in ")
    )
    assert re.search(r'class="value">0(\.0*)?<', html) is None
    cell = rate_cell(
        {"x_k": 0, "x_n": 1000, "x_per_100k": 0.0, "x_lower_per_100k": 0.0, "x_upper_per_100k": 368.9}, "x"
    )
    assert cell == {"text": "below 1 in 270", "interval": "0–369", "count": "0/1,000"}
    without = rate_cell({"x_k": 0, "x_n": 1000}, "x")
    assert (without["text"], without["interval"]) == ("below 1 in 330", "0–300"), "3/N without an interval"
    assert rate_cell({"x_k": None, "x_n": None}, "x")["text"] == "no data"
    assert rate_cell({"x_k": 0, "x_n": 0}, "x")["text"] == "no data", "nothing observed is not a rate of zero"


def test_a_rate_below_what_its_turns_resolve_is_a_bound_too():
    row = {"x_n": 100_000, "x_lower_per_100k": 0.24, "x_upper_per_100k": 7.22}
    seen = rate_cell(row | {"x_k": 2, "x_per_100k": 2.0}, "x")
    assert seen == {"text": "below 1 in 13,000", "interval": "0.24–7.22", "count": "2/100,000"}
    assert rate_cell(row | {"x_k": 3, "x_per_100k": 3.0}, "x")["text"] == "3.00"
    # Clusters: three events of one user are what one event is of independent turns.
    clustered = row | {"x_k": 3, "x_per_100k": 3.0, "x_design_effect": 3.0}
    assert rate_cell(clustered, "x")["text"] == "below 1 in 13,000"
    without = {"x_k": 1, "x_n": 100_000, "x_per_100k": 1.0}
    assert rate_cell(without, "x")["text"] == "1.00", "no upper limit is known that could stand for it"


def test_the_funnel_adds_up_to_the_traffic_in_the_order_of_the_rules(few):
    rows = [
        ("2026-01-05", "sampled", 30, 2),
        ("2026-01-05", "temporary", 50, 1),
        ("2026-01-12", "sampled", 20, 2),
    ]
    funnel = pd.DataFrame(rows, columns=["week", "rule", "turns", "order"])
    text = render_report(dataclasses.replace(few, funnel=funnel))
    table = text[text.index("Deployment traffic: user turns excluded") :]
    assert re.findall(
        r'>(temporary|sampled)</th><td class="num">(\d+)</td><td class="num">([\d.]+) %', table
    ) == [
        ("temporary", "50", "50.0"),
        ("sampled", "50", "50.0"),
    ]
    assert 'temporary</th><td class="num">50</td><td class="num">–</td>' in table, "no row is not a zero"


def test_a_zero_rate_in_a_mart_is_a_bound(html):
    assert '<td class="num">below 1 in 20,000</td>' in html


def test_missing_values_do_not_reach_the_page(few):
    frame = few.calibration.copy()
    blank = [
        "sme",
        "sme_noise_floor_median",
        "baseline_sme",
        "observed_ratio",
        "predicted_count_lower",
        "observed_lower_per_100k",
        "log_score",
        "rise_probability",
    ]
    frame[blank] = float("nan")
    frame["moved"] = pd.array([None] * len(frame), dtype="boolean")
    frame["comparable"] = None
    html = render_report(
        dataclasses.replace(
            few,
            calibration=frame.drop(columns="detectable_per_100k"),
            summary=few.summary.assign(sme_median_noise_floor=float("nan")),
        )
    )
    assert not re.search(r">[^<]*\b(nan|NaN|None|NaT|inf)\b[^<]*<", html[html.index("<body>") :])
    assert "no category has 10 events to score" in html


def test_absent_parts_are_said_to_be_absent():
    empty = render_report(ReportContent(study="Empty", generated_at=content().generated_at, sandbox=False))
    page = Page(empty)
    assert page.problems == [] and empty.count('class="absent"') == 11
    assert "figure" not in {tag for tag, _ in page.tags}


def test_two_weeks_are_no_trend(few):
    short = few.rates_by_week[few.rates_by_week["week"] < "2026-01-19"]
    assert "a trend needs rates of at least three weeks" in render_report(
        dataclasses.replace(few, rates_by_week=short)
    )


def test_a_sealed_candidate_without_outcome_is_shown_as_not_observed():
    html = render_report(content(unobserved=True, categories=CATEGORIES[:3]))
    assert "Not observed yet" in html and "not scored yet" in html
    assert html.count("Calibration and rates") == 2 and html.count(">Rates</h3>") == 1


def test_seal_and_stack_disagreements_are_visible(few):
    frame = few.calibration.copy()
    frame.loc[frame["model"] == MODELS[1], "forecast_hash"] = "another"
    frame.loc[0, "stack_hash"] = "other-stack"
    html = render_report(dataclasses.replace(few, calibration=frame))
    assert html.count("✗ the scores above name another forecast hash") == 1
    assert "2 different measurement stacks" in html and "different measurement stacks" not in render_report(
        few
    )


def test_same_content_gives_the_same_bytes(study, html):
    assert render_report(study) == html and report_json(content()) == report_json(study)


def test_verdict_reads_errors_from_the_summary_and_counts_the_rest():
    row = {"model": "x", "deployment": "y", "observed_n": 10, "comparable": True, "kind": "registered"}
    rows = [row | {"category": str(sme), "sme": sme, "sme_noise_floor_p90": 1.9} for sme in (1.0, 2.0, 3.0)]
    rows.append(row | {"category": "rare", "sme": 99.0, "sme_noise_floor_p90": 1.9, "comparable": False})
    rows[0] |= {"direction_correct": True, "moved": True, "observed_in_prediction": True}
    rows[1] |= {"direction_correct": False, "moved": False, "observed_in_prediction": False}
    summary = {
        "sme_median": 2.0, "sme_median_noise_floor": 1.1, "sme_median_noise_floor_p90": 1.3,
        "baseline_sme_median": 4.0, "sme_p90": 2.8, "sme_worst": 3.0, "sme_worst_category": "3.0",
    }  # fmt: skip
    found = verdict(rows, summary)
    assert (found.median_sme, found.noise_floor, found.noise_floor_p90) == (2.0, 1.1, 1.3)
    assert (found.baseline_median_sme, found.p90_sme) == (4.0, 2.8)
    assert (found.worst_sme, found.worst_category) == (3.0, "3.0")
    assert (found.above_noise, found.above_noise_of, found.comparable, found.categories) == (2, 3, 3, 4)
    assert (found.directions_right, found.directions_called) == (1, 2)
    assert (found.movers_right, found.movers_called) == (1, 1)
    assert (found.inside, found.inside_of) == (1, 2)
    assert verdict(rows).median_sme is None


def test_the_page_shows_the_floor_of_the_median_and_says_when_there_is_none(few):
    floors = dataclasses.replace(
        few, summary=few.summary.assign(sme_median_noise_floor=1.2345, sme_median_noise_floor_p90=1.4567)
    )
    assert render_report(floors).count("a perfect simulator would score 1.23× (nine in ten below 1.46×)") == 3
    without = render_report(dataclasses.replace(few, summary=pd.DataFrame()))
    assert without.count("not summarised: calibration_summary has no row for it") == 3
    assert Page(without).problems == []


def test_rises_need_events():
    base = {"model": "x", "observed_n": 1000, "predecessor_production_n": 1000}
    few = base | {"category": "few", "observed_k": 6, "predecessor_production_k": 0, "observed_ratio": 13.0}
    many = base | {"category": "many", "observed_k": 20, "predecessor_production_k": 8, "observed_ratio": 2.4}
    assert [rise["category"] for rise in verdict([few, many]).rises] == ["many"]


def test_a_rise_before_the_release_is_one_of_rates_and_not_of_what_was_read():
    """A cascade read a fifth of the candidate's turns with all that are flagged; of the predecessor's, few of these."""
    row = {
        "model": "x",
        "category": "hate",
        "forecast_k": 20,
        "forecast_n": 200,
        "forecast_per_100k": 2000.0,
        "forecast_design_effect": 0.2,
        "predecessor_sim_k": 9,
        "predecessor_sim_n": 200,
        "predecessor_sim_per_100k": 1900.0,
    }
    assert not verdict([row]).rises
    risen = row | {"forecast_k": 40, "forecast_per_100k": 4000.0}
    assert [round(rise["ratio"], 2) for rise in verdict([risen]).rises] == [round(40.5 / 19.5, 2)]


def test_candidates_come_in_release_order(study):
    shuffled = study.calibration.sample(frac=1, random_state=1)
    assert list(candidates(dataclasses.replace(study, calibration=shuffled))) == list(MODELS[1:])


def test_a_table_without_its_key_columns_is_refused():
    with pytest.raises(LakeError, match="calibration.*category"):
        render_report(
            ReportContent(
                study="s",
                generated_at=content().generated_at,
                sandbox=False,
                calibration=pd.DataFrame({"model": ["x"]}),
            )
        )


def test_numbers_keep_their_size():
    assert [number_text(v) for v in (None, 0.00123, 0.98765, 3.456, 34.56, 345.6, 12345.0)] == [
        "–",
        "0.0012",
        "0.99",
        "3.46",
        "34.6",
        "346",
        "12,345",
    ]
    assert [number_text(v) for v in (2e-9, -2e-9, 0, 0.001)] == ["< 0.001", "> -0.001", "0", "0.0010"]
    assert [times_text(v) for v in (None, 1.0, 1.4249, 10.31, 250.4, 0.4, 0.01)] == [
        "–",
        "1.00×",
        "1.42×",
        "10.3×",
        "250×",
        "0.40×",
        "0.010×",
    ]
    assert visible("a\u202eb\x1b") == "a\ufffdb\ufffd" and visible("é 数") == "é 数"


def test_tiny_probabilities_are_not_spelled_out():
    shown = [probability_text(v) for v in (None, 0.0, 2e-9, 0.00149, 0.25, 0.99951, 1.0)]
    assert shown == ["–", "< 0.001", "< 0.001", "0.001", "0.250", "> 0.999", "> 0.999"]
    assert generic_cell({"rise_probability": 2e-9}, "rise_probability") == "< 0.001"
    tiny = content(categories=CATEGORIES[8:10])
    page = render_report(
        dataclasses.replace(tiny, calibration=tiny.calibration.assign(rise_probability=2.0e-9))
    )
    assert (
        page.count('</td><td class="num nowrap">&lt; 0.001</td><td class="nowrap">') == 6
        and "0.000000002" not in page
    )


def test_json_has_the_same_numbers_and_null_for_nan(study, tmp_path):
    frame = study.calibration.copy()
    frame.loc[0, ["sme", "log_score"]] = [float("nan"), float("inf")]
    path = write_report(dataclasses.replace(study, calibration=frame), tmp_path / "deep" / "report.html")
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.html", "report.json"]
    refuse = lambda word: pytest.fail(f"{word} is not JSON")  # noqa: E731
    document = json.loads((path.parent / "report.json").read_text("utf-8"), parse_constant=refuse)
    assert set(document) == {
        "schema_version",
        "study",
        "generated_at",
        "sandbox",
        "label",
        "verdicts",
        "calibration",
        "calibration_summary",
        "forecasts",
        "baselines",
        "rates_by_week",
        "funnel",
        "k_anonymity",
        "marts",
        "measurement_stack",
        "data_quality",
        "grader_validation",
        "model_comparison",
        "corrected_rates",
        "traffic_shift",
        "variant_calibration",
        "error_decomposition",
        "registered_tests",
        "awareness_rates",
        "replay_giveaways",
        "novel_behaviours",
        "behaviour_differences",
        "category_ablation",
        "post_release_behaviours",
        "behaviour_decisions",
        "sections",
        "registry",
        "gates",
    }
    assert (
        document["schema_version"] == "4"
        and document["sandbox"] is True
        and document["label"] == SANDBOX_LABEL
    )
    assert len(document["calibration"]) == 3 * len(CATEGORIES) == len(document["forecasts"])
    assert document["calibration"][0]["sme"] is None and document["calibration"][0]["log_score"] is None
    assert document["calibration"][1]["sme"] == frame.loc[1, "sme"]
    assert document["forecasts"][0]["forecast_weeks"] == ["2026-01-12", "2026-01-19"]


def test_the_quality_of_the_data_is_in_the_json(study):
    document = json.loads(report_json(study))
    quality = document["data_quality"]
    assert set(quality) == {part.name for part in dataclasses.fields(DataQuality)}
    assert quality["outcomes"] == {"missing_completion": 41, "unscored": 12, "not_applicable": 903}
    assert quality["rejected"][1] == {
        "reason": "no_time",
        "field": "messages.created_at",
        "records": 13,
        "files": 2,
    }
    assert quality["canaries"][1]["recall"] == pytest.approx(455 / 480)
    assert quality["overrides"][0]["approved_by"] == "R. Viewer"
    assert quality["details"] is None, "what is not known is not none"
    assert {row["prefix_source"] for row in document["funnel"]} == {
        "deployment_traffic",
        "challenging_prompts",
    }
    assert len(document["baselines"]) == 3 * len(CATEGORIES)


def test_a_changed_sample_is_said_beside_the_verdict_that_it_belongs_to(html):
    cards = html[html.index('class="cards"') : html.index('id="read"')].split("<article")
    assert [("Its sample has changed since" in card) for card in cards[1:]] == [False, True, False]
    assert "3 turn(s) of 2026-02-02 were erased on 2026-11-22" in cards[2]


def test_overrides_rejects_canaries_and_receipts_are_on_the_page(page):
    cells = page.text_in("td")
    for text in (
        "privacy: expect_column_values_to_be_between(residual_identifiers)",
        "a version number that reads like an address",
        "messages.created_at",
        "user_request",
        "0.95",
    ):
        assert text in cells, text
    assert "R. Viewer" in cells


def test_nothing_to_report_is_not_the_same_as_not_known(few):
    none = pd.DataFrame()
    known = render_report(
        dataclasses.replace(few, data_quality=DataQuality(rejected=none, overrides=none, erasures=none))
    )
    unknown = render_report(dataclasses.replace(few, data_quality=DataQuality()))
    for text in ("No record was rejected.", "No gate was overridden.", "Nothing was erased or purged."):
        assert text in known and text not in unknown, text


def test_challenging_prompts_stand_beside_the_forecast(page, html):
    assert html.count("Challenging prompts in place of the deployment") == 3
    calls = [text for text in page.text_in("td") if re.fullmatch("[▲▼] (rise|fall) [✓✗] (right|wrong)", text)]
    assert calls


def test_rates_on_other_prefix_sources_are_not_in_the_weekly_trend(few):
    other = few.rates_by_week.assign(
        prefix_source="challenging_prompts", deployment="challenging_prompts", k=999
    )
    both = pd.concat([few.rates_by_week.assign(prefix_source="deployment_traffic"), other], ignore_index=True)
    trend = lambda text: text[text.index('id="fig-trend') : text.index('id="marts"')]  # noqa: E731
    assert trend(render_report(dataclasses.replace(few, rates_by_week=both))) == trend(render_report(few))


def test_withheld_counts_are_neither_zero_nor_part_of_a_total(few):
    rows = [
        ("2026-01-05", "employee", None, True, 0),
        ("2026-01-05", "sampled", 30, False, 1),
        ("2026-01-12", "employee", 10, False, 0),
        ("2026-01-12", "sampled", 60, False, 1),
        ("2026-01-12", "image", None, True, 2),
    ]
    funnel = pd.DataFrame(rows, columns=["week", "rule", "turns", "suppressed", "order"])
    text = render_report(dataclasses.replace(few, funnel=funnel, k_anonymity=5))
    shown = re.findall(
        r">(employee|image|sampled)</th><td class=\"num\">([^<]*)</td><td class=\"num\">([^<]*)<", text
    )
    assert shown == [
        ("employee", "10 + withheld", "10.0 %"),
        ("sampled", "90", "90.0 %"),
        ("image", "withheld", "–"),
        ("employee", "withheld", "10"),
        ("sampled", "30", "60"),
        ("image", "–", "withheld"),
    ]
    assert "fewer than 5 users" in text


def test_a_wide_mart_is_turned_to_fit_a_page():
    frame = rate_calibration(("v2", "v3"))
    tables = mart_tables("rate_calibration", frame)
    assert [table["title"] for table in tables] == [
        f"rate calibration: {name}" for name in ("v2", "v3", "all")
    ]
    assert [name for name, _ in tables[0]["columns"]] == [
        "Measure",
        "all",
        "disallowed content",
        "misalignment",
    ]
    measures = {row[0]: row[1:] for row in tables[0]["rows"]}
    assert measures["sme median"] == ["1.31"] * 3 and measures["log rate pearson r"] == ["0.95", "–", "–"]
    assert "kind" not in measures and tables[0]["note"].startswith("kind: retrospective; stack hash: ")
    two = mart_tables("rate_calibration", frame.assign(kind=["registered"] + ["retrospective"] * 8))
    assert [row[1] for row in two[0]["rows"] if row[0] == "kind"] == ["registered"], (
        "what differs is in the rows"
    )


def test_many_candidates_of_a_turned_mart_are_split_over_tables():
    wide = {f"measure_{number}": 1 for number in range(12)}
    frame = pd.DataFrame([{"candidate": f"v{number}", **wide} for number in range(14)])
    tables = mart_tables("taxonomy_coverage", frame)
    assert [len(table["columns"]) - 1 for table in tables] == [6, 6, 2]
    (narrow,) = mart_tables("taxonomy_coverage", frame[["candidate", "measure_1"]])
    assert len(narrow["rows"]) == 14
    (unknown,) = mart_tables(HOSTILE, frame)
    assert len(unknown["rows"]) == 14, "a table without known keys stays as it is"


def test_a_failing_write_leaves_the_old_page(few, tmp_path):
    path = write_report(few, tmp_path / "report.html")
    before = path.read_bytes()
    with pytest.raises(LakeError):
        write_report(dataclasses.replace(few, calibration=pd.DataFrame({"model": ["x"]})), path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(LakeError, match="html"):
        write_report(few, tmp_path / "report.json")


def test_rates_that_were_missed_beyond_sampling_error_are_marked_and_counted(study):
    rows = study.calibration.assign(
        missed=study.calibration["category"].eq("hate"),
        observed_ratio=2.0,
        observed_ratio_lower=1.25,
        observed_ratio_upper=float("inf"),
    )
    page = render_report(dataclasses.replace(study, calibration=rows))
    models, missed = rows["model"].nunique(), int(rows["missed"].sum())
    assert missed > 0 and page.count("✗ missed</span>") == missed
    assert page.count(f"1 of {len(rows) // models} missed beyond sampling error") == models
    assert page.count("2.00× (1.25–∞)") == len(rows)
