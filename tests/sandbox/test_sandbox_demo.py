"""The demo's last lines: observed rates against the planted truth, and that they would show a wrong measurement."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from depsim_dagster.config import load_study
from depsim_dagster.sandbox.demo import TRUTH_FILE, check_against_truth
from depsim_dagster.study import Study


@pytest.fixture
def with_truth(finished_study: Path, tmp_path: Path):
    """The finished study beside another truth."""

    def open_with(truth: pa.Table) -> Study:
        (tmp_path / "store").symlink_to(finished_study.parent / "store")
        (tmp_path / TRUTH_FILE).parent.mkdir()
        pq.write_table(truth, tmp_path / TRUTH_FILE)
        return Study(load_study(shutil.copy(finished_study, tmp_path)))

    return open_with


@pytest.fixture
def truth(finished_study: Path) -> pa.Table:
    return pq.read_table(finished_study.parent / TRUTH_FILE)


def test_the_planted_truth_lies_in_nine_of_ten_intervals(finished_study):
    check = check_against_truth(Study(load_study(finished_study)))
    assert check.cells == 20 and check.inside >= 18
    assert len(check.misses) == check.cells - check.inside


def test_another_truth_is_found_out(with_truth, truth):
    """Behaviours that are ten times as common lie outside of most intervals, also at 120 turns a week."""
    place = truth.schema.get_field_index("rate_per_100k")
    check = check_against_truth(
        with_truth(truth.set_column(place, "rate_per_100k", pc.multiply(truth.column(place), 10.0)))
    )
    assert check.cells == 20 and check.inside <= 10


def test_a_category_without_a_planted_rate_is_an_error(with_truth, truth):
    with pytest.raises(KeyError, match="violence"):
        check_against_truth(with_truth(truth.filter(pc.not_equal(truth.column("category"), "violence"))))
