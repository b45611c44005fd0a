"""XSTest's completions: two people, their agreed label and a model grader's label of each. OBSERVED_RATES.md gives the
agreement of the grader with the agreed label; kappa and the agreement of the people come from the same files.

Of mistralinstruct the grader itself refused six completions, and its answer stands as its label: a disagreement there, and
a turn without a verdict to the product."""

import csv

import numpy as np
import pytest
from labelled_store import KEY, WEEK, filled, open_study
from small_study import SHARED_DATA
from statsmodels.stats.inter_rater import cohens_kappa

from depsim_dagster.estimation.grader_error.agreement import agreement, cohen_kappa, validate
from depsim_dagster.grading.review.human_labels import import_labels
from depsim_dagster.grading.review.validation import validation_rows
from depsim_dagster.grading.schema import PRODUCTION_LABELS

FOLDER = SHARED_DATA / "xstest" / "gpt4_grader_labels"
CLASSES = ("1_full_compliance", "2_full_refusal", "3_partial_refusal")
PUBLISHED = {"gpt4": 0.930, "mistralguard": 0.763, "mistralinstruct": 0.726}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is not there")


def labels(system: str) -> list[dict]:
    with open(FOLDER / f"xstest_v2_completions_{system}_gpteval.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def column(rows: list[dict], name: str) -> list[str]:
    return [row[name] for row in rows]


def cross_table(first: list[str], second: list[str]) -> np.ndarray:
    classes = sorted({*first, *second})
    table = np.zeros((len(classes), len(classes)), dtype=int)
    for one, other in zip(first, second, strict=True):
        table[classes.index(one), classes.index(other)] += 1
    return table


@pytest.mark.parametrize("system", PUBLISHED)
def test_the_published_agreement_of_the_grader_with_people_comes_out(system):
    rows = labels(system)
    people, grader = column(rows, "final_label"), column(rows, "gpt4_label")
    found = agreement(people, grader)
    assert found.n == 215 and round(found.estimate, 3) == PUBLISHED[system]
    assert found.lower < found.estimate < found.upper
    kappa, theirs = cohen_kappa(people, grader), cohens_kappa(cross_table(people, grader))
    assert kappa.estimate == pytest.approx(theirs.kappa)
    assert (kappa.lower, kappa.upper) == pytest.approx((theirs.kappa_low, theirs.kappa_upp))


@pytest.mark.parametrize("system", PUBLISHED)
def test_people_agree_with_each_other_more_than_the_grader_with_them(system):
    rows = labels(system)
    first, second = column(rows, "annotation_1"), column(rows, "annotation_2")
    found, kappa = agreement(first, second), cohen_kappa(first, second)
    assert found.estimate == sum(row["agreement"] == "True" for row in rows) / 215
    assert kappa.estimate == pytest.approx(cohens_kappa(cross_table(first, second)).kappa)
    assert kappa.estimate > cohen_kappa(column(rows, "final_label"), column(rows, "gpt4_label")).estimate


def test_each_class_as_a_category():
    rows = labels("mistralinstruct")
    people = np.array(column(rows, "final_label")) == CLASSES[1]
    grader = np.array(column(rows, "gpt4_label")) == CLASSES[1]
    found = validate(people, grader)
    assert found.true_positives + found.false_negatives == people.sum()
    assert found.sensitivity.estimate == pytest.approx((people & grader).sum() / people.sum())
    assert found.precision.estimate == pytest.approx((people & grader).sum() / grader.sum())


def test_agreement_by_chance_is_told_from_agreement():
    """Most completions comply, so three quarters of the labels agree whatever the grader reads."""
    rows = labels("mistralinstruct")
    kappa = cohen_kappa(column(rows, "final_label"), column(rows, "gpt4_label"))
    assert kappa.agreement > 0.72 and kappa.chance > 0.69 and kappa.lower < 0 < kappa.estimate < 0.15


def test_the_same_figures_come_out_of_the_store(tmp_path, monkeypatch):
    """Two people and an agreed label per turn, imported from a CSV, beside the grader's labels in the lake."""
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    categories = [{"id": name[2:], "group": "refusal", "definition": f"Is {name}."} for name in CLASSES]
    study = open_study(tmp_path, categories)
    rows = labels("mistralguard")
    graded, human = [], []
    for number, row in enumerate(rows):
        for name in CLASSES:
            label = {"turn_id": row["id"], "category": name[2:]}
            graded.append(
                {
                    **label, "week": WEEK, "model": "m1", "deployment": "m1", "source": "production",
                    "prefix_source": "deployment_traffic", "flagged": row["gpt4_label"] == name, "status": "graded",
                    "grading_probability": 1.0, "grader": "rule", "stack_hash": study.stack_hash,
                    "user_id": f"u{number}", "inclusion_probability": 1.0, "tools_offered": False,
                    "sandbox": False,
                }
            )  # fmt: skip
            human += [
                label
                | {
                    "label": str(row[said] == name).lower(),
                    "annotator": annotator,
                    "sampling_probability": "1",
                }
                for said, annotator in (
                    ("annotation_1", "1"),
                    ("annotation_2", "2"),
                    ("final_label", "final"),
                )
            ]
    study.lake.write(PRODUCTION_LABELS, {"week": WEEK}, filled(PRODUCTION_LABELS, graded))
    with open(tmp_path / "people.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(human[0]))
        writer.writeheader()
        writer.writerows(human)
    assert import_labels(study, tmp_path / "people.csv").labels == 3 * 3 * 215
    found = {row["category"]: row for row in validation_rows(study).to_pylist()}
    for name in CLASSES:
        row = found[name[2:]]
        people, grader = (np.array(column(rows, said)) == name for said in ("final_label", "gpt4_label"))
        first, second = (np.array(column(rows, said)) == name for said in ("annotation_1", "annotation_2"))
        assert (row["n"], row["weighting"], row["human_pairs"]) == (215, "equal", 215)
        assert row["agreement"] == pytest.approx((people == grader).mean())
        assert row["kappa"] == pytest.approx(cohens_kappa(cross_table(list(people), list(grader))).kappa)
        assert row["human_agreement"] == pytest.approx((first == second).mean())
        assert row["human_kappa"] == pytest.approx(cohens_kappa(cross_table(list(first), list(second))).kappa)
        assert row["sensitivity"] == pytest.approx((people & grader).sum() / people.sum())
