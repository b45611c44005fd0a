"""H1, H2 and H3 on every scored candidate of the lake."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.estimation.calibration.hypotheses import registered_tests
from depsim_dagster.lake import Lake, LakeTable
from depsim_dagster.registry.schema import (
    BASELINE_CALIBRATION,
    POST_RELEASE_CALIBRATION,
    REGISTERED_TESTS,
)
from depsim_dagster.study import Study


def registered_test_rows(study: Study) -> pa.Table:
    """REGISTERED_TESTS of all scored candidates; empty while none is scored.

    Raises:
        EstimationError: baseline_calibration of a candidate is older than the score beside it.
    """
    lake, config = study.lake, study.config
    calibration = _published(lake, POST_RELEASE_CALIBRATION)
    if not calibration.num_rows:
        return REGISTERED_TESTS.schema.empty_table()
    tests = registered_tests(
        calibration.to_pandas(),
        _published(lake, BASELINE_CALIBRATION).to_pandas(),
        level=config.estimation.level,
        seed=config.seed,
    )
    return pa.Table.from_pandas(tests, schema=REGISTERED_TESTS.schema, preserve_index=False)


def _published(lake: Lake, table: LakeTable) -> pa.Table:
    """All published partitions of a table."""
    partitions = [lake.read(table, manifest.partition) for manifest in lake.published(table)]
    return pa.concat_tables(partitions) if partitions else table.schema.empty_table()
