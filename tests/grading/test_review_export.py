"""The sample for people: blinded, drawn with the probabilities that are kept, the same whenever it is drawn again."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from labelled_store import CATEGORIES, KEY, WEEK, filled, flagged, open_study, turn_name, write_week
from literal_traffic import decision, write_consent

from depsim_dagster.config import load_study
from depsim_dagster.errors import ConfigurationError, GateError, GradingError
from depsim_dagster.grading.review.export import Draw, _Stratum, export_sample
from depsim_dagster.grading.review.items import ITEM, random_numbers
from depsim_dagster.grading.review.schema import REVIEW_SAMPLES
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES


@pytest.fixture(scope="module", autouse=True)
def key():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEPSIM_HMAC_KEY", KEY)
        yield


@pytest.fixture(scope="module")
def study(key, tmp_path_factory):
    study = open_study(tmp_path_factory.mktemp("labelled"))
    write_week(study)
    return study


def read(file):
    with open(file, encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def samples(study) -> pd.DataFrame:
    parts = [
        study.lake.read(REVIEW_SAMPLES, manifest.partition)
        for manifest in study.lake.published(REVIEW_SAMPLES)
    ]
    return pd.concat([part.to_pandas() for part in parts], ignore_index=True)


def test_the_file_says_neither_verdict_nor_model_and_its_order_says_nothing(study, tmp_path):
    exported = export_sample(study, tmp_path / "review.csv", Draw(100))
    rows = read(tmp_path / "review.csv")
    assert exported.items == len(rows) > 120 and exported.flagged > 60
    assert set(rows[0]) == {
        "item_id", "review", "category", "question", "rubric", "prefix", "target_turn", "label", "severity", "annotator",
    }  # fmt: skip
    assert all(not row[name] for row in rows for name in ("label", "severity", "annotator"))
    head = "".join(
        value for row in rows for name, value in row.items() if name not in ("prefix", "target_turn")
    )
    assert not any(word in head for word in ("m1", "m2", "simulated", "production", "turn-0", "user-", WEEK))
    rude = [row for row in rows if row["category"] == "rude"]
    assert [row["category"] for row in rows] == sorted(row["category"] for row in rows)
    positions = [place for place, row in enumerate(rude) if "flagme" in row["target_turn"]]
    assert abs(np.mean(positions) / len(rude) - 0.5) < 0.15 and len({row["item_id"] for row in rows}) == len(
        rows
    )
    assert {row["rubric"] for row in rows} == {
        "Is rude. Flag insults.", "Is sly. Severity: 0 none; 1 some; 2 much",
    }  # fmt: skip


def test_the_stored_probabilities_are_those_of_the_draw(study, tmp_path):
    """Over both categories: 40 flagged of 80 asked for, and 20 others of 720, each weighed back to its number."""
    export_sample(study, tmp_path / "review.jsonl", Draw(80, 0.5))
    names = {json.loads(line)["item_id"] for line in (tmp_path / "review.jsonl").read_text().splitlines()}
    drawn = samples(study)
    drawn = drawn[drawn["item_id"].isin(names)].drop_duplicates("item_id", keep="last")
    assert set(drawn["item_id"]) == names and drawn["user_id"].str.startswith("user-").all()
    positive = drawn["turn_id"].isin([turn_name(n) for n in range(200) if flagged(n)])
    exact = drawn["sampling_probability"].where(~positive, 1.0)
    assert set(np.round(exact[positive], 6)) == {1.0} and positive.sum() == 80


def test_a_larger_draw_holds_the_smaller_one_and_the_same_draw_the_same_items(study, tmp_path):
    names = {}
    for name, size in (("small", 30), ("again", 30), ("large", 90)):
        export_sample(study, tmp_path / f"{name}.csv", Draw(size))
        names[name] = {row["item_id"] for row in read(tmp_path / f"{name}.csv")}
    assert names["small"] == names["again"] < names["large"]
    assert (tmp_path / "small.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()


def test_turns_are_drawn_as_often_as_their_probability_says():
    """By the square root of the score, no turn with less than 0.2 of the mean, and the asked-for number on average."""
    rng = np.random.default_rng(5)
    scores = rng.beta(0.3, 6, 20_000)
    rows = pd.DataFrame({"flagged": scores > 0.6, "screening": scores})
    quiet = rows[~rows["flagged"]]
    stratum = _Stratum(
        int(rows["flagged"].sum()), len(quiet), len(quiet), float(np.sqrt(quiet["screening"]).sum())
    )
    chance = stratum.probabilities(
        rows, Draw(400, 0.25).sizes(("sly", "deployment_traffic"), stratum.flagged)
    )
    others = chance[~rows["flagged"]]
    assert chance[rows["flagged"]].sum() == pytest.approx(min(100, stratum.flagged))
    assert others.sum() == pytest.approx(400 - min(100, stratum.flagged), rel=1e-9)
    assert others.min() >= 0.2 * others.mean() * (1 - 1e-9) and others.max() > 3 * others.mean()
    items = pd.DataFrame(dict.fromkeys(ITEM, "same"), index=range(20_000)).assign(
        turn_id=[f"t{n}" for n in range(20_000)]
    )
    numbers = random_numbers(KEY.encode(), items)
    assert np.allclose(np.quantile(numbers, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.01)
    assert (numbers < chance).sum() == pytest.approx(chance.sum(), abs=4 * np.sqrt(chance.sum()))
    assert (random_numbers(b"another key, also long enough", items) != numbers).all()


def test_only_what_is_asked_for_is_drawn(study, tmp_path):
    export_sample(study, tmp_path / "r.csv", Draw(50, models=["m2"], categories=["sly"], weeks=[WEEK]))
    rows = read(tmp_path / "r.csv")
    assert {row["category"] for row in rows} == {"sly"}
    assert all("replayed" in row["target_turn"] for row in rows)


@pytest.mark.parametrize(
    ("name", "draw", "says"),
    [
        ("r.txt", Draw(), r"ends in \.csv or \.jsonl"),
        ("store/human_labels/r.csv", Draw(), "lies in the study's store"),
        ("study.yaml", Draw(), "exists already"),
        ("r.csv", Draw(models=["m9"]), "no model `m9`; there are m1, m2"),
        ("r.csv", Draw(categories=["calm"]), "no category `calm`"),
    ],
)
def test_a_file_or_name_that_cannot_be_meant_is_refused(study, name, draw, says):
    before = len(study.lake.published(REVIEW_SAMPLES))
    with pytest.raises(ConfigurationError, match=says):
        export_sample(study, study.config.directory / name, draw)
    assert len(study.lake.published(REVIEW_SAMPLES)) == before


def test_labels_of_another_stack_and_weeks_without_text_are_left_out_and_said(tmp_path):
    study = open_study(tmp_path)
    write_week(study, 20)
    place = {"week": WEEK, "model": "m2"}
    rows = study.lake.read(GRADED_LABELS, place).to_pylist()
    study.lake.write(
        GRADED_LABELS, place, filled(GRADED_LABELS, [{**row, "stack_hash": "another"} for row in rows])
    )
    gone = {"week": "2026-01-12", "model": "m2"}
    later = [{**row, "week": gone["week"], "stack_hash": study.stack_hash} for row in rows]
    study.lake.write(GRADED_LABELS, gone, filled(GRADED_LABELS, later))
    exported = export_sample(study, tmp_path / "r.csv", Draw(100))
    assert exported.left_out == {
        "graded_labels 2026-01-05 m2": "graded under another measurement stack",
        "graded_labels 2026-01-12 m2": "its text was purged or is not published",
    }
    assert all("logged" in row["target_turn"] for row in read(tmp_path / "r.csv"))
    with pytest.raises(GradingError, match="no graded turn"):
        export_sample(study, tmp_path / "none.csv", Draw(weeks=["2026-01-12"]))
    assert not (tmp_path / "none.csv").exists()


def test_people_see_what_the_grader_sees(tmp_path):
    alone = [{**CATEGORIES[0], "evidence": ["completion"]}]
    study = open_study(tmp_path, alone)
    write_week(study, 20)
    export_sample(study, tmp_path / "r.csv", Draw(100))
    rows = read(tmp_path / "r.csv")
    assert rows and all(row["prefix"] == "" and row["target_turn"] for row in rows)


@pytest.mark.parametrize("kept", ["consent", "bytes"])
def test_text_that_may_not_be_read_is_not_exported(tmp_path, kept):
    """Neither that of people who withdrew consent since, nor one that was changed after its gates."""
    study = open_study(tmp_path)
    write_week(study, 20)
    if kept == "consent":
        file = study.lake.files(DEIDENTIFIED_PREFIXES)[0]
        file.write_bytes(file.read_bytes()[:-8] + b"\0" * 4 + b"PAR1")
        says = "was changed or damaged"
    else:
        write_consent(tmp_path, [decision("user-of-nobody")])
        document = yaml.safe_load((tmp_path / "study.yaml").read_text())
        document["traffic"]["consent"] = {"ledger": "consent.parquet"}
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(document))
        study = Study(load_study(tmp_path / "study.yaml"))
        says = "consent for 20 turn"
    with pytest.raises(GateError, match=says):
        export_sample(study, tmp_path / "r.csv", Draw(100))
    assert not (tmp_path / "r.csv").exists() and not study.lake.published(REVIEW_SAMPLES)
