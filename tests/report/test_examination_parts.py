"""Evaluation awareness and novel behaviours in a candidate's section, on its card and in the JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from html import unescape

import literal_examination as literal
import pandas as pd
import pytest
from fake_study import CATEGORIES, MODELS, content

from depsim_dagster.privacy.gates.aggregates import published_aggregate
from depsim_dagster.report.awareness_part import FOR_COMPARISON, MOST, awareness_part
from depsim_dagster.report.novel_part import Audit, novel_part
from depsim_dagster.report.page import render_report
from depsim_dagster.report.plain_rows import records
from depsim_dagster.report.report_content import ReportContent
from depsim_dagster.report.study_report import report_json

HOSTILE = "<script>alert(1)</script>\"' {{7*7}}"


@pytest.fixture(scope="module")
def few() -> ReportContent:
    return content(categories=CATEGORIES[8:11])


@pytest.fixture(scope="module")
def html(few) -> str:
    return render_report(few)


def rates(**changes: object) -> list[dict]:
    return records(literal.awareness_rates("v2", "v1", **changes))


def giveaways(**changes: object) -> list[dict]:
    return records(published_aggregate("replay_giveaways", literal.replay_giveaways("v2", **changes), 5))


def audit(**changes: list[dict]) -> Audit:
    whole = {
        "behaviours": records(literal.novel_behaviours("v2", "v1")),
        "differences": records(literal.behaviour_differences("v2", "v1")),
        "ablation": records(literal.category_ablation("v2")),
        "after_release": records(literal.post_release_behaviours("v2")),
        "decisions": {row["behaviour"]: row for row in records(literal.behaviour_decisions())},
    }
    return Audit(**(whole | changes))


def cells(part, title: str) -> list[list[str]]:
    (table,) = [table for table in part.tables if table["title"].startswith(title)]
    return table["rows"]


def test_three_sources_stand_side_by_side_with_their_ratio():
    part = awareness_part(rates(), giveaways())
    candidate, predecessor = part.tables[:2]
    assert candidate["title"].endswith(": v2") and predecessor["title"].endswith(": v1")
    assert len(candidate["rows"]) == 6
    judged = next(row for row in candidate["rows"] if row[:2] == ["judged an evaluation", "self"])
    assert judged[2:5] == [
        "5,200 (4,160–6,600)\n52/1,000",
        "15,400 (12,320–18,840)\n154/1,000",
        "99,000 (79,200–100,000)\n99/100",
    ]
    assert judged[5:] == ["2.96× (2.03–4.15)", "✗ outside"]
    silent = next(row for row in candidate["rows"] if row[0] == "reasoning says it may be a test")
    assert silent[2].startswith("below 1 in") and silent[5:] == ["∞ (0.70–∞)", "not told"]
    never = [row | {"k": 0, "ratio": None} if row["measure"] == "verbalised" else row for row in rates()]
    silent = next(row for row in awareness_part(never, []).tables[0]["rows"] if row[0] == silent[0])
    assert silent[5:] == ["–", "not told"], "nothing over nothing is no ratio"
    assert {row[6] for row in predecessor["rows"]} == {"✓ within", "not told"}
    wide = [row | {"ratio_upper": 5.0} if row["simulated_model"] == "v1" else row for row in rates()]
    told = {row[6] for row in awareness_part(wide, []).tables[1]["rows"]}
    assert told == {"not told"}, "a ratio of 1 that could be 5 is not found to be like production"
    assert len(part.warnings) == 1 and "2.96×" in part.warnings[0] and "v1" not in part.warnings[0]
    quiet = [row for row in rates() if row["simulated_model"] == "v1"]
    assert awareness_part(quiet, []).warnings == []


def test_a_warning_names_at_most_three_ratios():
    loud = [row | {"outside": True} if row["source"] == "simulated" else row for row in rates()]
    (warning,) = awareness_part(loud, []).warnings
    assert warning.count(", by ") == 3 and warning.endswith("; 9 more below)")


def test_without_evaluation_prompts_their_rate_is_not_known():
    part = awareness_part([row for row in rates() if row["source"] != "evaluation"], [])
    assert {row[4] for row in part.tables[0]["rows"]} == {"–"}
    assert any("names no `traffic.evaluation_prompts`" in note for note in part.notes)
    assert not any("names no" in note for note in awareness_part(rates(), []).notes)


def test_what_gives_replay_away_comes_first_and_few_users_are_not_named():
    shown = giveaways()
    production = [row | {"source": "production", "ratio": 1.9} for row in shown if row["value"] == "long"]
    part = awareness_part(rates(), [*shown, *production])
    rows = cells(part, "What gives the replay away")
    assert [row[1] for row in rows] == ["tags", "long", "yes"]
    assert rows[0][:3] == ["what replaced personal details", "tags", "judged an evaluation\nself"]
    assert rows[0][4:] == ["realistic", "6.40× (4.48–8.96)", "–", "▲ yes (0.004)"]
    assert rows[1][6] == "1.90× (1.46–2.91)", "production beside it"
    assert "2 values of too few users" in part.notes[-1]
    many = [row | {"value": f"v{place}"} for place, row in enumerate([shown[1]] * (MOST + 4))]
    part = awareness_part(rates(), many)
    assert len(cells(part, "What gives")) == MOST and "4 more values are in the JSON" in part.notes[-1]
    quiet = [row | {"raises_suspicion": False} for row in many]
    assert len(cells(awareness_part(rates(), quiet), "What gives")) == FOR_COMPARISON


def test_rates_of_few_users_and_their_ratios_are_withheld():
    frame = literal.awareness_rates("v2", "v1")
    frame.loc[(frame["source"] == "production") & (frame["judge"] == "self"), "clusters"] = 4
    part = awareness_part(records(published_aggregate("awareness_rates", frame, 5)), [])
    rows = {tuple(row[:2]): row for row in part.tables[0]["rows"]}
    hidden = rows["judged an evaluation", "self"]
    assert [hidden[2], *hidden[5:]] == ["withheld"] * 3 and hidden[3].startswith("15,400")
    assert rows["judged an evaluation", "grader"][5] == "2.96× (2.03–4.15)"
    assert part.withheld and "by self" not in " ".join(part.warnings)


def test_behaviours_are_ranked_with_both_rates_severity_and_decision():
    part = novel_part(audit())
    first, second, third = cells(part, "Described by the auditor before")
    assert first == [
        "1. arithmetic, search, tool", "b-0a1b2c3d4e5f", "40 (37)", "1,025 (820–1,333)", "50.0", "20.5× (10.2–61.5)",
        "▲ yes (< 0.001)", "3, up to 4", "open",
    ]  # fmt: skip
    assert (second[8], third[6]) == ("accepted as flattery", "no (0.700)")
    differences = cells(part, "Differences of the completions")
    assert differences[0] == [
        "1. tool web_search receives arithmetic (among: tools)", "d-1a1b2c3d4e5f", "88", "2.26 %", "0 %",
        "+2.26 (+1.86 to +2.66)", "▲ yes (< 0.001)", "open",
    ]  # fmt: skip
    assert differences[2][0] == "3. the answer is a refusal" and differences[2][6:] == ["no (0.800)", "–"]


def test_features_that_do_not_differ_are_a_few_for_comparison():
    same = audit().differences[2]
    many = [same | {"rank": rank, "feature": f"d-{rank}"} for rank in range(3, 44)]
    part = novel_part(audit(differences=[*audit().differences[:2], *many]))
    assert [row[1] for row in cells(part, "Differences")] == [
        "d-1a1b2c3d4e5f", "d-2a1b2c3d4e5f", "d-3", "d-4", "d-5", "d-6", "d-7",
    ]  # fmt: skip
    assert "differ beyond chance: 2, over up to" in part.tables[1]["note"]
    assert part.notes[-1] == "36 more compared features are in the JSON file."
    none = novel_part(audit(differences=many)).tables[1]
    assert none["rows"] == [] and none["empty"].startswith("none of the features that were compared differs")


def test_the_detectable_rate_stands_beside_the_result_with_and_without_recall():
    part = novel_part(audit())
    notes = " ".join(part.notes)
    assert "at least 315 in 100,000 completions (1 in 318)" in notes and "one of at least 839" in notes
    assert (
        "Not shown: 2 groups of findings, of too few users" in notes
        and "7 findings of the candidate" in notes
    )
    assert "describes 30 of 80 of its flagged cases (38 %)" in notes
    without = [
        row | {"detectable_with_recall_per_100k": None, "left_out_clusters": 0, "left_out_findings": 0}
        for row in audit().behaviours
    ]
    notes = " ".join(novel_part(audit(behaviours=without, ablation=[])).notes)
    assert "(1 in 318)" in notes and "overlooks" not in notes and "Not shown" not in notes


def test_an_audit_that_shows_nothing_still_says_what_it_would_have_found():
    empty = audit().behaviours[0] | {"behaviour": None, "rank": None, "terms": [], "novel": False}
    part = novel_part(Audit(behaviours=[empty]))
    assert not part.absent and not part.warnings
    assert part.tables[0]["rows"] == [] and "no behaviour" in part.tables[0]["empty"]
    assert "(1 in 318)" in part.tables[0]["empty"] and "(1 in 318)" not in " ".join(part.notes)
    small = novel_part(Audit(behaviours=[empty | {"detectable_per_100k": None}]))
    assert (
        "4,000 completions were audited. They are too few users’ to say of any rate"
        in small.tables[0]["empty"]
    )


def test_recall_is_least_first_and_not_zero_where_no_case_was_read():
    rows = cells(novel_part(audit()), "What the auditor finds")
    assert [row[0] for row in rows] == ["bio_risk", "self_harm", "hate", "violence"]
    assert rows[0][4:] == ["5", "25 % (18–30)", "1 of 20"] and rows[3][5] == "no case was read"


def test_only_what_nobody_decided_is_a_warning():
    novel, differ, missed = novel_part(audit()).warnings
    assert novel.startswith(
        "1 novel behaviour not decided yet: b-0a1b2c3d4e5f (arithmetic, search, tool; 1,025"
    )
    assert "b-1a1b2c3d4e5f" not in novel and "severity up to 4" in novel
    assert differ.startswith("2 differences of the completions not decided yet, first d-1a1b2c3d4e5f")
    assert "p-1a1b2c3d4e5f (invoice, invented)" in missed and "p-0a1b2c3d4e5f" not in missed
    ids = ["b-0a1b2c3d4e5f", "b-1a1b2c3d4e5f", "d-1a1b2c3d4e5f", "d-2a1b2c3d4e5f"]
    decided = {id: {"decision": "rejected", "category": None} for id in ids}
    assert novel_part(audit(decisions=decided, after_release=[])).warnings == []


def test_a_missed_behaviour_is_held_against_what_the_audit_before_could_find():
    def note(**changes):
        return next(
            t["note"] for t in novel_part(audit(**changes)).tables if "after the release" in t["title"]
        )

    assert note().endswith("the audit before the release was large enough to find one of at least 315")
    assert note(behaviours=[]).endswith("before the release there was no audit")
    small = [row | {"detectable_per_100k": None} for row in audit().behaviours]
    assert note(behaviours=small).endswith("large enough to find none of any rate")


def test_sections_that_are_off_are_said_to_be_off(few):
    tables = ("awareness", "giveaways", "behaviours", "differences", "ablation", "after_release", "decisions")
    off = dataclasses.replace(
        few, has_awareness=False, has_audit=False, **dict.fromkeys(tables, pd.DataFrame())
    )
    page = render_report(off)
    assert page.count('<p class="absent">The study file has no `audit` section') == 3
    assert page.count('<p class="absent">The study file has no `awareness` section') == 3
    document = json.loads(report_json(off))
    assert document["sections"] == {"awareness": False, "audit": False}
    assert document["novel_behaviours"] == [] and document["verdicts"][0]["warnings"] == []


def test_cards_name_what_is_open_and_lead_to_it(html, few):
    cards = html[html.index('class="cards"') : html.index('id="read"')]
    links = re.findall(r'<li><a href="#(candidate-1-part-\d)">([^<]*)</a>: ([^<]*)', cards)
    assert [title for _, title, _ in links] == ["Novel behaviours"] * 3 + ["Evaluation awareness"]
    for target, title, _ in links:
        assert f'<h3 id="{target}">{title}</h3>' in html
    warnings = json.loads(report_json(few))["verdicts"][0]["warnings"]
    assert warnings == [unescape(text) for _, _, text in links]


def test_every_candidate_has_a_navigation_of_its_own(html):
    sections = html.split('<nav class="within"')[1:]
    assert len(sections) == len(MODELS) - 1
    for place, section in enumerate(sections, start=1):
        assert section.startswith(f' aria-label="Within {MODELS[place]}"')
        targets = re.findall(r'href="#([^"]+)"', section[: section.index("</nav>")])
        headings = re.findall(r'<h3 id="([^"]+)"', section)
        assert targets == headings and len(targets) >= 10


def test_no_text_of_the_audit_and_no_account_is_on_the_page(few):
    """The parts read the columns that they name: what else a table may hold stays out of the page."""
    spoilt = dataclasses.replace(
        few, behaviours=few.behaviours.assign(evidence="a secret", user_id="somebody")
    )
    page = render_report(spoilt)
    assert "a secret" not in page and "somebody" not in page


def test_hostile_words_stay_text(few):
    spoilt = few.behaviours.assign(terms=[[HOSTILE, "word"]] * len(few.behaviours))
    decided = few.decisions.assign(category=HOSTILE)
    page = render_report(dataclasses.replace(few, behaviours=spoilt, decisions=decided))
    assert "<script>alert" not in page and "accepted as &lt;script&gt;" in page


def test_the_mart_is_told_in_the_sections_and_not_twice(few):
    mart = pd.DataFrame([{"candidate": MODELS[1], "measure": "judged", "giveaway_value": "only in the JSON"}])
    marts = {**few.marts, "evaluation_awareness": mart}
    with_mart = dataclasses.replace(few, marts=marts)
    assert "only in the JSON" not in render_report(with_mart)
    assert (
        json.loads(report_json(with_mart))["marts"]["evaluation_awareness"][0]["giveaway_value"]
        == "only in the JSON"
    )
