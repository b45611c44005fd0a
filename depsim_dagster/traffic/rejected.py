"""How many records of the current logs could not be placed as traffic, and why: numbers, no file and no text."""

from __future__ import annotations

from depsim_dagster.config import StudyConfig
from depsim_dagster.duckdb_sql import connect, read_parquet
from depsim_dagster.lake import Lake
from depsim_dagster.traffic.rules import prefix_sources
from depsim_dagster.traffic.schema import REJECTED_RECORDS
from depsim_dagster.traffic.turn_index import index_traffic


def rejected_by_reason(study: StudyConfig, lake: Lake) -> list[tuple[str, str, str, int]]:
    """(prefix source, reason, field or '', records) of the logs as they are now, which are indexed where they are not.

    Raises:
        TrafficError: a log cannot be read.
    """
    connection, found = connect(), []
    for source in prefix_sources(study):
        manifests = [
            lake.manifest(REJECTED_RECORDS, {"file": log.file})
            for log in index_traffic(study, lake, source.name)
            if log.rejected
        ]
        files = [
            REJECTED_RECORDS.directory(lake.root, manifest.partition) / manifest.data_file
            for manifest in manifests
            if manifest is not None
        ]
        if files:
            rows = connection.execute(
                f"select reason, coalesce(field, ''), count(*) from {read_parquet(files)} group by all order by all"
            ).fetchall()
            found += [(source.name, *row) for row in rows]
    return found
