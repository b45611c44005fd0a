"""One DuckDB file for people: the marts and the tables of numbers behind them, never a table that holds text
of conversations, no account, and no aggregate of too few users. The pipeline itself never reads it: one writer
locks a DuckDB file against every other process."""

import uuid
from pathlib import Path

from depsim_dagster.duckdb_sql import literal, read_parquet
from depsim_dagster.errors import DepsimError, LakeError
from depsim_dagster.marts.dbt_build import MARTS
from depsim_dagster.marts.lake_files import MARTS_DIRECTORY, PublishedLake
from depsim_dagster.marts.project import dbt_project_dir

WAREHOUSE = "warehouse.duckdb"  # beside the study file
NUMBER_TABLES = (
    "rate_estimates",
    "observed_rates",
    "traffic_shift",
    "registered_forecasts",
    "post_release_calibration",
    "baseline_calibration",
    "calibration_summary",
    "variant_calibration",
    "registered_tests",
    "error_decomposition",
    "model_comparison",
    "stratum_rates",
    "corrected_rates",
    "graded_labels",
    "production_labels",
    "sampling_funnel",
    "awareness_labels",
    "awareness_rates",
    "replay_giveaways",
    "novel_behaviours",
    "behaviour_differences",
    "category_ablation",
    "post_release_behaviours",
)
_AGGREGATES = frozenset(
    {
        "rate_estimates",
        "observed_rates",
        "stratum_rates",
        "traffic_shift",
        "model_comparison",
        "corrected_rates",
        "error_decomposition",
        "sampling_funnel",
        "awareness_rates",
        "replay_giveaways",
        "novel_behaviours",
        "behaviour_differences",
        "post_release_behaviours",
        "evaluation_awareness",
    }
)
# Who wrote a turn links all turns of a person, and what is known of a single turn narrows down whose it is; the labels are of
# use without.
_ACCOUNT_COLUMNS = (
    "user_id",
    "prefix_characters",
    "turn_index",
    "tools_offered",
    "topic",
    "age_days",
    "identifiers_replaced",
    "surrogates",
)
_TEXT_COLUMNS = frozenset(
    {
        "prefix",
        "target",
        "completion",
        "tools",
        "attributes",
        "text",
        "content",
        "evidence",
        "justification",
        "phrase",
    }
)


class WarehouseError(DepsimError):
    """The warehouse file is open elsewhere, or is not a DuckDB file; it was left as it is."""


def marts_are_built(lake: PublishedLake) -> bool:
    """Whether there is something to write a warehouse from: every mart, which the first outcome builds."""
    return all((lake.root / MARTS_DIRECTORY / f"{mart}.parquet").is_file() for mart in MARTS)


def write_warehouse(lake: PublishedLake, path: Path, k_anonymity: int) -> dict[str, int]:
    """Write marts and tables of numbers into `path`, and return {table: rows}.

    Counts of traffic and rates that rest on fewer than `k_anonymity` users are null (privacy/gates/aggregates.py).

    Built in a file beside `path` that replaces it in one step: readers see the old or the new warehouse. A
    lake table without a published file is left out; a mart must exist. Columns of the marts carry their
    descriptions. Raises LakeError (no marts, or a text column in a table of numbers) and WarehouseError.
    """
    sources = {mart: [lake.root / MARTS_DIRECTORY / f"{mart}.parquet"] for mart in MARTS}
    for mart, (file,) in sources.items():
        if not file.is_file():
            raise LakeError(f"mart {mart} is not built: build the marts before the warehouse")
    sources |= {table: files for table in NUMBER_TABLES if (files := lake.files(table))}

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _refuse_if_in_use(path)
    building = path.with_name(f".{path.name}-{uuid.uuid4().hex}.tmp")
    try:
        rows = _write(building, sources, k_anonymity)
        try:
            building.replace(path)
        except PermissionError as error:
            raise WarehouseError(
                f"warehouse {path} cannot be replaced: close it elsewhere, or free the name"
            ) from error
    finally:
        for leftover in (building, building.with_name(building.name + ".wal")):
            leftover.unlink(missing_ok=True)
    return rows


def _refuse_if_in_use(path: Path) -> None:
    """Opening for writing takes DuckDB's own lock, and folds a write-ahead log into the file that it belongs
    to: left behind, the log would be replayed into the new file."""
    import duckdb

    if not path.exists():
        return
    try:
        duckdb.connect(str(path)).close()
    except (duckdb.ConnectionException, duckdb.IOException) as error:
        reason = str(error)
        if isinstance(error, duckdb.ConnectionException) or "lock" in reason.lower():
            raise WarehouseError(
                f"warehouse {path} is open elsewhere: close the program that reads it, "
                "or write to another path"
            ) from error
        raise WarehouseError(
            f"{path} exists and is not a DuckDB file that can be replaced: move it away, "
            "or write to another path"
        ) from error


def _write(path: Path, sources: dict[str, list[Path]], k_anonymity: int) -> dict[str, int]:
    import duckdb

    from depsim_dagster.privacy.gates.aggregates import published_aggregate

    rows = {}
    with duckdb.connect(str(path)) as connection:
        connection.execute("set preserve_insertion_order = false")
        for table, files in sources.items():
            reader = read_parquet(files)
            columns = {
                column for column, *_ in connection.execute(f"describe select * from {reader}").fetchall()
            }
            if text := sorted(columns & _TEXT_COLUMNS):
                raise LakeError(
                    f"{table} has the text column(s) {', '.join(text)}: it cannot go into the warehouse"
                )
            accounts = [column for column in _ACCOUNT_COLUMNS if column in columns]
            without = f" exclude ({', '.join(accounts)})" if accounts else ""
            relation = connection.sql(f"select *{without} from {reader}")
            if table in _AGGREGATES:
                shown = published_aggregate(table, relation.df(), k_anonymity)
                if len(shown):
                    relation = connection.from_df(shown)
                else:  # pandas knows no type of a column without rows
                    relation = relation.filter("false").project("*, false as suppressed")
            relation.create(table)
            ((rows[table],),) = connection.execute(f'select count(*) from "{table}"').fetchall()
        for statement in _comments():
            connection.execute(statement)
    return rows


def _comments() -> list[str]:
    """Comments on the marts and their columns, from the dbt project."""
    import yaml

    described = yaml.safe_load((dbt_project_dir() / "models" / "marts" / "_marts.yml").read_text("utf-8"))
    statements = []
    for model in described["models"]:
        statements.append(f'comment on table "{model["name"]}" is {literal(model["description"].strip())}')
        for column in model["columns"]:
            target = f'"{model["name"]}"."{column["name"]}"'
            statements.append(f"comment on column {target} is {literal(column['description'].strip())}")
    return statements
