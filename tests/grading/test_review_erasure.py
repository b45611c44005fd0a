"""What an erasure leaves of a review: nothing of the person, also when an exported file comes back later."""

import pytest
from labelled_store import KEY, filled_in, open_study, stored, write_week

from depsim_dagster.grading.review.export import Draw, export_sample
from depsim_dagster.grading.review.human_labels import import_labels
from depsim_dagster.grading.review.schema import HUMAN_LABELS, REVIEW_SAMPLES
from depsim_dagster.privacy.erasure.forget import erase
from depsim_dagster.privacy.erasure.key_rotation import fingerprint


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    study = open_study(tmp_path)
    write_week(study, 20)
    return study


def forget_user(study, user):
    return erase(study, [{fingerprint(KEY.encode()): user}], "user_request")


def test_labels_and_draws_of_the_person_go_and_do_not_come_back(study, tmp_path):
    for name in ("before.csv", "after.csv"):
        export_sample(study, tmp_path / name, Draw(1000, 0.5))
        filled_in(tmp_path / name, lambda row: "no", annotator=name)
    import_labels(study, tmp_path / "before.csv")
    assert {"user-0", "user-1"} <= {row["user_id"] for row in stored(study)}
    receipt = forget_user(study, "user-0")
    removed = {table.table: table.rows for table in receipt.removed}
    # Two turns of the person, by two models, in two categories.
    assert removed["human_labels"] == removed["review_samples"] == 8
    for table in (HUMAN_LABELS, REVIEW_SAMPLES):
        users = {row["user_id"] for row in stored(study, table)}
        assert "user-0" not in users and "user-1" in users
    assert import_labels(study, tmp_path / "before.csv").already
    late = import_labels(study, tmp_path / "after.csv")
    assert len(late.rejected) == 8 and set(late.reasons()) == {
        "unknown item: no review of this study drew it, or its user was erased"
    }
    assert "user-0" not in {row["user_id"] for row in stored(study)}
