"""People review a whole study: export, labels, and the validation in the report, by the job that writes it."""

import csv
import html
import json
import shutil

import dagster as dg
import pytest
import yaml

from depsim_dagster.config import load_study
from depsim_dagster.definitions import build_definitions
from depsim_dagster.grading.review.export import Draw, export_sample
from depsim_dagster.grading.review.schema import GRADER_VALIDATION, HUMAN_LABELS, REVIEW_SAMPLES
from depsim_dagster.report.validation_table import NOT_VALIDATED
from depsim_dagster.study import Study

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def study(finished_study, tmp_path):
    shutil.copytree(finished_study.parent, tmp_path / "study", symlinks=True)
    return Study(load_study(tmp_path / "study" / "study.yaml"))


def page_of(study: Study) -> str:
    return html.unescape(study.config.path("report.html").read_text(encoding="utf-8"))


def test_a_study_without_human_labels_says_that_its_rates_are_uncorrected(study):
    assert study.lake.read(GRADER_VALIDATION, {}).num_rows == 0
    assert NOT_VALIDATED in page_of(study)


def test_labels_named_in_the_study_file_are_in_the_report(study):
    file = study.config.path("people.csv")
    exported = export_sample(study, file, Draw(60))
    assert exported.categories == 20 and exported.items > 900
    drawn = {
        row["item_id"]: row
        for manifest in study.lake.published(REVIEW_SAMPLES)
        for row in study.lake.read(REVIEW_SAMPLES, manifest.partition).to_pylist()
    }
    with open(file, encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        rows, names = list(reader), reader.fieldnames
    assert {row["item_id"] for row in rows} == set(drawn)
    with open(file, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        # One in four is flagged by people, whatever is said.
        writer.writerows(
            {**row, "label": str(int(row["item_id"][-2:], 16) % 4 == 0).lower(), "annotator": "p"}
            for row in rows
        )
    document = yaml.safe_load(study.config.file.read_text(encoding="utf-8"))
    document["grading"]["human_labels"] = "people.csv"
    study.config.file.write_text(yaml.safe_dump(document), encoding="utf-8")
    opened = Study(load_study(study.config.file))
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(opened.config, opened.config.file).resolve_job_def("report")
        run = job.execute_in_process(instance=instance, run_config=QUIET)
        assert run.success
        (event,) = instance.fetch_materializations(dg.AssetKey("grader_validation"), limit=1).records
        metadata = event.asset_materialization.metadata
    assert "people.csv" in metadata["imports"].value and "kappa" in metadata["validation"].value
    assert sum(part.rows for part in opened.lake.published(HUMAN_LABELS)) == len(rows)
    report = json.loads(opened.config.path("report.json").read_text(encoding="utf-8"))["grader_validation"]
    assert len(report) == 20 and sum(row["n"] for row in report) == len(rows)
    assert all(row["weighting"] == "design" and 0 < row["prevalence"] < 1 for row in report)
    page = page_of(opened)
    assert "Graders beside people" in page and NOT_VALIDATED not in page
    # The page is for everybody, the conversations of the review are not.
    assert not any(row["target_turn"][:60] in page for row in rows)
