"""Build the marts: dbt in this process, DuckDB in memory, results published only if every model and test
passed. dbt writes into a private scratch directory and the files are put in place one by one, so two builds
can run at once and a failing test leaves the marts of the last good build. Not here: Dagster (assets),
statistics (estimation).
"""

import json
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depsim_dagster.duckdb_sql import glob_pattern
from depsim_dagster.errors import DepsimError, LakeError
from depsim_dagster.marts.lake_files import PublishedLake
from depsim_dagster.marts.project import dbt_project_dir

MARTS = (
    "taxonomy_coverage",
    "directional_accuracy",
    "rate_calibration",
    "baseline_comparison",
    "evaluation_awareness",
)
REQUIRED_TABLES = ("registered_forecasts", "post_release_calibration", "calibration_summary")
# A study without sections `awareness` and `audit` has no row of these.
EXAMINATION_TABLES = (
    "awareness_rates",
    "replay_giveaways",
    "novel_behaviours",
    "behaviour_differences",
    "category_ablation",
    "post_release_behaviours",
    "behaviour_decisions",
)
LAKE_TABLES = (
    *REQUIRED_TABLES,
    "baseline_calibration",
    "rate_estimates",
    "observed_rates",
    *EXAMINATION_TABLES,
)

# dbt keeps its flags, adapters and in-memory database in module globals: one invocation at a time per
# process.
_DBT = threading.Lock()


@dataclass(frozen=True)
class DbtTest:
    """One data or unit test of a build. `status` is dbt's: pass, warn, fail, error or skipped."""

    unique_id: str
    name: str
    status: str
    failures: int
    message: str

    @property
    def passed(self) -> bool:
        return self.status == "pass"


@dataclass(frozen=True)
class MartsBuild:
    """A build that passed: published file and row count of every mart, all models in the order in which dbt
    built them (so parents first), and the tests that were run."""

    files: Mapping[str, Path]
    rows: Mapping[str, int]
    models: tuple[str, ...]
    tests: tuple[DbtTest, ...]
    warnings: tuple[str, ...]


class MartsError(DepsimError):
    """The marts were not built, and nothing was published. `tests` holds what was run before the failure."""

    def __init__(self, message: str, tests: tuple[DbtTest, ...] = ()) -> None:
        super().__init__(message)
        self.tests = tests


def lake_tables(lake: PublishedLake) -> dict[str, list[str]]:
    """The published files of every table that the models read, as `build_marts` takes them."""
    return {table: [str(file) for file in lake.files(table)] for table in LAKE_TABLES}


def build_marts(
    lake_tables: Mapping[str, Sequence[str | Path]],
    marts_location: Path,
    *,
    k_anonymity: int = 5,
    unit_tests: bool = False,
    threads: int = 2,
) -> MartsBuild:
    """Run the dbt project over these files and publish `<mart>.parquet` into `marts_location`.

    lake_tables: {table: [file, ...]}; the REQUIRED_TABLES must have rows,
        baseline_calibration may be left out, and so may rate_estimates and observed_rates (their week counts are then 0)
        and EXAMINATION_TABLES (evaluation_awareness then has no row).
    k_anonymity: fewest users behind a value that a mart names.
    unit_tests: also run dbt's unit tests of the SQL, which do not look at the data.
    Raises LakeError for a missing or empty table, MartsError if a model or a test fails.
    """
    files = _checked(lake_tables)
    with tempfile.TemporaryDirectory(prefix="depsim-marts-") as scratch:
        built = Path(scratch) / "marts"
        built.mkdir()
        variables = {
            "lake_tables": {
                table: [glob_pattern(file) for file in listed] for table, listed in files.items()
            },
            "marts_location": str(built),
            "k_anonymity": k_anonymity,
        }
        arguments = ["build", "--threads", str(threads)]
        if not unit_tests:
            arguments += ["--exclude-resource-type", "unit_test"]
        results, warnings = _run(dbt_project_dir(), Path(scratch) / "target", variables, arguments)
        published = _publish(built, Path(marts_location))
    return MartsBuild(
        files=published,
        rows={mart: _row_count(file) for mart, file in published.items()},
        models=tuple(result.node.name for result in results if result.node.resource_type == "model"),
        tests=_tests(results),
        warnings=warnings,
    )


def parse_project(project_dir: Path, target: Path) -> Path:
    """Parse the project into `target` and return the path of its manifest.json."""
    _run(project_dir, target, {}, ["parse"])
    return target / "manifest.json"


def _checked(tables: Mapping[str, Sequence[str | Path]]) -> dict[str, list[str]]:
    unknown = sorted(set(tables) - set(LAKE_TABLES))
    if unknown:
        raise LakeError(f"the marts do not read {', '.join(unknown)}; they read {', '.join(LAKE_TABLES)}")
    files = {table: [str(file) for file in tables.get(table, ())] for table in LAKE_TABLES}
    for table, listed in files.items():
        for file in listed:
            if not Path(file).is_file():
                raise LakeError(f"{table}: published file {file} is gone; materialise the table again")
    for table in REQUIRED_TABLES:
        if not files[table]:
            raise LakeError(f"{table} has no published partition: materialise it before the marts")
        if sum(_row_count(file) for file in files[table]) == 0:
            raise LakeError(f"{table} has no row: score a candidate before building the marts")
    return files


def _row_count(file: str | Path) -> int:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        return parquet.read_metadata(file).num_rows
    except pyarrow.ArrowInvalid as error:
        raise LakeError(f"{file} is not a Parquet file: materialise its table again") from error


def _run(
    project_dir: Path, target: Path, variables: Mapping[str, Any], arguments: Sequence[str]
) -> tuple[list[Any], tuple[str, ...]]:
    """One dbt invocation: dbt's result of every node, and the warnings it gave. Raises MartsError unless all
    is well."""
    from dbt.cli.main import dbtRunner

    warnings: list[str] = []

    def keep_warnings(event: Any) -> None:
        if event.info.level == "warn":
            warnings.append(event.info.msg)

    with _DBT:
        try:
            outcome = dbtRunner(callbacks=[keep_warnings]).invoke(
                [
                    # The console and the log file stay quiet: outcomes come back as values.
                    "--log-level", "none", "--log-level-file", "none", "--log-path", str(target),
                    "--no-send-anonymous-usage-stats", "--no-version-check",
                    "--no-partial-parse", "--no-use-colors",
                    *arguments,
                    "--project-dir", str(project_dir), "--profiles-dir", str(project_dir),
                    "--profile", "depsim", "--target", "lake",
                    "--target-path", str(target), "--vars", json.dumps(variables),
                ]
            )  # fmt: skip
        finally:
            _close_database()
    results = list(getattr(outcome.result, "results", None) or ())
    if not outcome.success:
        raise MartsError(_explain(outcome.exception, results), _tests(results))
    return results, tuple(warnings)


def _close_database() -> None:
    """dbt-duckdb keeps an in-memory database open until the process ends; a long-lived worker should not."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    environment = DuckDBConnectionManager._ENV
    DuckDBConnectionManager.close_all_connections()
    if environment is not None:
        environment.close()


def _tests(results: Sequence[Any]) -> tuple[DbtTest, ...]:
    return tuple(
        DbtTest(
            unique_id=result.node.unique_id,
            name=result.node.name,
            status=str(result.status),
            failures=int(result.failures or 0),
            message=str(result.message or ""),
        )
        for result in results
        if result.node.resource_type in ("test", "unit_test")
    )


def _explain(exception: BaseException | None, results: Sequence[Any]) -> str:
    failed = [result for result in results if str(result.status) in ("fail", "error", "runtime error")]
    reasons = [f"{result.node.name}: {' '.join(str(result.message).split())}" for result in failed]
    if exception is not None:
        reasons.append(" ".join(str(exception).split()))
    shown = "; ".join(reasons[:5]) or "dbt gave no reason"
    more = f" (and {len(reasons) - 5} more)" if len(reasons) > 5 else ""
    return f"the marts were not built and nothing was published: {shown}{more}"


def _publish(built: Path, marts_location: Path) -> dict[str, Path]:
    """Put each mart in place atomically: copied beside its destination first, because scratch may be another
    disk."""
    marts_location.mkdir(parents=True, exist_ok=True)
    published = {}
    for mart in MARTS:
        destination = marts_location / f"{mart}.parquet"
        beside = marts_location / f".{mart}-{uuid.uuid4().hex}.tmp"
        try:
            shutil.copyfile(built / destination.name, beside)
            _drop_row_of_nulls(beside)
            os.replace(beside, destination)
        finally:
            beside.unlink(missing_ok=True)
        published[mart] = destination
    return published


def _drop_row_of_nulls(file: Path) -> None:
    """dbt-duckdb writes an empty mart as one row of nulls; every mart's rows name at least a candidate."""
    import pyarrow.parquet as parquet

    if _row_count(file) != 1:
        return
    table = parquet.read_table(file)
    if all(column.null_count for column in table.columns):
        parquet.write_table(table.slice(0, 0), file)
