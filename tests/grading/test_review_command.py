"""`depsim review`: what a person sees of it, from the export to the comparison of graders."""

import json

import pytest
from click.testing import CliRunner
from labelled_store import KEY, filled_in, open_study, write_week

from depsim_dagster.cli import main
from depsim_dagster.grading.review.comparison import compare_graders
from depsim_dagster.grading.review.export import Draw, export_sample
from depsim_dagster.grading.review.human_labels import import_labels


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    study = open_study(tmp_path)
    write_week(study, 100)
    return study


@pytest.fixture
def review(study):
    def run(*arguments):
        words = [*map(str, arguments), "-c", str(study.config.file)]
        return CliRunner().invoke(main, ["review", *words])

    return run


def test_export_import_report_compare(review, tmp_path):
    file = tmp_path / "review.csv"
    exported = review("export", file, "--per-category", 60)
    assert exported.exit_code == 0, exported.output
    assert "in 2 categories" in exported.output and "No score tells where misses may be" in exported.output
    assert "neither `depsim forget` nor" in exported.output
    again = review("export", file)
    assert again.exit_code == 1 and "exists already" in again.output
    filled_in(file, lambda row: "true" if "flagme" in row["target_turn"] else "false")
    taken = review("import", file)
    assert taken.exit_code == 1 and "0 label(s) imported" in taken.output and "× no annotator" in taken.output
    taken = review("import", file, "--annotator", "anna")
    assert taken.exit_code == 0 and "0 rejected" in taken.output
    assert "were imported before" in review("import", file, "--annotator", "anna").output
    report = review("report")
    assert report.exit_code == 0 and "graded by rule, on deployment traffic" in report.output
    rows = json.loads(review("report", "--json").output)
    assert {row["category"]: row["kappa"] for row in rows} == {"rude": 1.0, "sly": 1.0}
    # Nothing missed among those that were read is no proof of a sensitivity of 1.
    assert all(row["sensitivity"] == 1 and row["sensitivity_lower"] < 0.9 for row in rows)
    compared = json.loads(review("compare", "rule", "always", "--json").output)
    for row in compared:
        assert row["only_first_right"] == row["n"] - row["human_flagged"] and row["only_second_right"] == 0
        assert row["first_kappa"] == 1.0 and row["second_specificity"] == 0.0 and row["mcnemar_p"] < 1e-6
    shown = review("compare", "rule", "always")
    assert shown.exit_code == 0 and "McNemar p" in shown.output


def test_without_labels_it_says_that_rates_are_uncorrected(review):
    report = review("report")
    assert report.exit_code == 0 and "uncorrected" in report.output
    assert json.loads(review("report", "--json").output) == []
    compared = review("compare", "rule", "always")
    assert compared.exit_code == 1 and "no turn has a human label" in compared.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rule",), "name at least two graders; there are always, rule"),
        (("rule", "rule"), "name at least two graders"),
        (("rule", "judge"), "no grader `judge`; there are always, rule"),
    ],
)
def test_graders_that_cannot_be_compared(review, arguments, says):
    compared = review("compare", *arguments)
    assert compared.exit_code == 1 and says in compared.output


def test_one_call_for_all_categories_and_one_call_each_are_compared_over_http(tmp_path, monkeypatch, server):
    """The grader misses `sly` when it is asked for everything at once. Answers are paid for once."""
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    judge = {"kind": "llm", "endpoint": "models", "model": "judge"}
    graders = {"together": judge, "each": {**judge, "categories_per_call": "one"}}
    study = open_study(tmp_path, base_url=server.base_url, graders=graders, default_grader="together")
    write_week(study, 20)
    export_sample(study, tmp_path / "review.csv", Draw(1000))
    last = "turn-0019"  # nobody has labelled it, so nobody is asked about it
    filled_in(
        tmp_path / "review.csv",
        lambda row: "" if last in row["target_turn"] else "flagme" in row["target_turn"],
    )
    import_labels(study, tmp_path / "review.csv", "anna")

    def plan(body):
        names = body["response_format"]["json_schema"]["schema"]["required"]
        shows = "flagme" in body["messages"][-1]["content"]
        verdicts = {name: shows and (name == "rude" or len(names) == 1) for name in names}
        return json.dumps({name: int(flag) if name == "sly" else flag for name, flag in verdicts.items()})

    server.plan = plan
    rows = {row["category"]: row for row in compare_graders(study, ["together", "each"])}
    # 19 turns by two models, in one call and in one for each of two categories.
    assert len(server.bodies) == 38 + 76
    assert (rows["rude"]["both_right"], rows["rude"]["n"], rows["rude"]["mcnemar_p"]) == (38, 38, None)
    assert (rows["sly"]["only_second_right"], rows["sly"]["only_first_right"]) == (4, 0)
    assert rows["sly"]["first_sensitivity"] == 0 and rows["sly"]["second_kappa"] == 1
    assert rows["sly"]["mcnemar_p"] == pytest.approx(2 * 0.5**4)
    compare_graders(study, ["each", "together"])
    assert len(server.bodies) == 114


def test_a_grader_behind_a_screen_is_compared_on_every_labelled_turn(tmp_path, monkeypatch):
    """The question is who is right, and not what the screen would have sent to whom."""
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    rule = {"kind": "regex", "pattern": "flagme"}
    graders = {
        "rule": {**rule, "screen": {"grader": "always", "share": 0.1}},
        "always": {"kind": "regex", "pattern": "."},
    }
    study = open_study(tmp_path, graders=graders, default_grader="rule")
    write_week(study, 20)
    export_sample(study, tmp_path / "review.csv", Draw(1000))
    filled_in(tmp_path / "review.csv", lambda row: "flagme" in row["target_turn"])
    import_labels(study, tmp_path / "review.csv", "anna")
    for row in compare_graders(study, ["rule", "always"]):
        assert (row["n"], row["human_flagged"], row["first_kappa"]) == (40, 4, 1.0)
