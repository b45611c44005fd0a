"""Readers: a log format in, one DuckDB relation of conversations (schema.CONVERSATIONS) out.

A reader defines a view named `conversations`; DuckDB streams the files when the sample is drawn, so memory does not
grow with the logs. What is not here: eligibility and sampling, which are the same for every format.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from depsim_dagster.config import StudyConfig
from depsim_dagster.duckdb_sql import identifier, read_parquet
from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.log_files import first_unreadable, matching_files, parquet_files
from depsim_dagster.traffic.recorded_answers import define_recorded_conversations
from depsim_dagster.traffic.schema import CONSENT_LEDGER, CONVERSATIONS

LEDGER = "traffic.consent.ledger"
_SQL_TYPES = {
    pa.string(): "varchar",
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.timestamp("us", tz="UTC"): "timestamptz",
}


def define_conversations(connection: duckdb.DuckDBPyConnection, study: StudyConfig) -> None:
    """Define the view `conversations` over the study's logs.

    Raises:
        TrafficError: no file matches, a file is damaged, a column is missing, of another type or null where it may not
            be; the message names the file.
    """
    if study.traffic.format == "depsim":
        # A record that lacks something else is counted in the funnel; without these it belongs to no week.
        needed = ("conversation_id", "messages")
        files = parquet_files(connection, study, study.traffic.paths, "traffic.paths", CONVERSATIONS, needed)
        connection.execute(
            f"create view conversations as select {_columns(CONVERSATIONS)} from {read_parquet(files)}"
        )
    else:
        assert study.traffic.recorded is not None  # StudyConfig demands it for this format
        define_recorded_conversations(connection, study, study.traffic.recorded)


def define_consent(connection: duckdb.DuckDBPyConnection, study: StudyConfig) -> None:
    """Define the view `consent` over the study's consent ledger (schema.CONSENT_LEDGER).

    Raises:
        TrafficError: as `define_conversations`.
    """
    assert study.traffic.consent.ledger is not None
    needed = tuple(column.name for column in CONSENT_LEDGER if not column.nullable)
    ledger = (study.traffic.consent.ledger,)
    files = parquet_files(connection, study, ledger, LEDGER, CONSENT_LEDGER, needed)
    connection.execute(f"create view consent as select {_columns(CONSENT_LEDGER)} from {read_parquet(files)}")


def unreadable(connection: duckdb.DuckDBPyConnection, study: StudyConfig, error: Exception) -> TrafficError:
    """What to say when a query over the logs failed: the file that cannot be read, never DuckDB's own message."""
    files = []
    if study.traffic.format == "depsim":
        files += matching_files(study, study.traffic.paths, "traffic.paths")
    if study.traffic.consent.ledger is not None:
        files += matching_files(study, (study.traffic.consent.ledger,), LEDGER)
    culprit = first_unreadable(connection, files) or study.file
    return TrafficError(f"{culprit}: the traffic cannot be read ({type(error).__name__}); export it again")


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{identifier(f.name)}::{_sql_type(f.type)} as {identifier(f.name)}" for f in schema)


def _sql_type(type_: pa.DataType) -> str:
    """The type of a column in the view: files may differ in width, and a column without values has any type."""
    if pa.types.is_list(type_):
        return f"{_sql_type(type_.value_type)}[]"
    if pa.types.is_struct(type_):
        return f"struct({', '.join(f'{identifier(part.name)} {_sql_type(part.type)}' for part in type_)})"
    return _SQL_TYPES[type_]
