"""Checks before money is spent: study file, traffic, consent, endpoints, store, dbt."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from depsim_dagster.config import load_study
from depsim_dagster.errors import DepsimError, LakeError, TrafficError
from depsim_dagster.study import Study

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it passed, and what was found or what to do."""

    name: str
    passed: bool
    detail: str


def checks(study_file: Path) -> Iterator[Check]:
    """Run every check; those that need a readable study file are left out when there is none."""
    opened: list[Study] = []

    def configuration() -> str:
        study = Study(load_study(study_file))
        categories = len(study.taxonomy.categories)
        opened.append(study)
        return f"{len(study.config.deployments)} deployments, {len(study.config.candidates)} candidates, {categories} categories"

    yield _check(f"study file {study_file}", configuration)
    if not opened:
        return
    study = opened[0]
    yield _check("traffic and consent", lambda: _traffic(study))
    yield _check(
        "gate suites",
        lambda: ", ".join(f"{name} {version[:12]}" for name, version in study.suite_versions.items()),
    )
    for name in study.models_by_endpoint():
        yield _check(f"endpoint {name}", lambda name=name: _endpoint(study, name))  # type: ignore[misc]
    yield _check(f"store {study.lake.root}", lambda: _store(study))
    yield _check("dbt project", _dbt)


def _check(name: str, run: Callable[[], str]) -> Check:
    try:
        return Check(name, True, run())
    except DepsimError as error:
        return Check(name, False, str(error))


def _traffic(study: Study) -> str:
    from depsim_dagster.duckdb_sql import connect
    from depsim_dagster.traffic.readers import define_consent, define_conversations

    connection = connect()
    define_conversations(connection, study.config)
    conversations = connection.execute("select count(*) from conversations").fetchall()[0][0]
    if not conversations:
        raise TrafficError(f"{study.config.file}: the traffic holds no conversation; correct `traffic`")
    _known_deployments(connection, study)
    if study.config.traffic.consent.public_corpus is not None:
        return f"{conversations:,} conversations of a public corpus"
    define_consent(connection, study.config)
    decisions = _decisions(connection, study)
    study.config.hmac_key  # noqa: B018  unset, it would stop the first run
    return f"{conversations:,} conversations, {decisions:,} consent decisions"


def _known_deployments(connection: duckdb.DuckDBPyConnection, study: Study) -> None:
    """A model's name that differs between logs and study file would leave out all its traffic, week after week."""
    rows = connection.execute("select distinct model from conversations where model is not null").fetchall()
    logged = {row[0] for row in rows}
    known = {deployment.model for deployment in study.config.deployments}
    if not logged & known:
        raise TrafficError(
            f"{study.config.file}: no deployment of the study answered in the traffic, where the models are "
            f"{_few(logged)}; give `deployments.model` the name in the logs, and `served_as` that of the endpoint"
        )


def _decisions(connection: duckdb.DuckDBPyConnection, study: Study) -> int:
    """Consent decisions of the study's scope."""
    counts = dict(connection.execute("select scope, count(*) from consent group by scope").fetchall())
    scope = study.config.traffic.consent.scope
    if scope not in counts:
        raise TrafficError(
            f"{study.config.file}: traffic.consent.scope: the ledger has no decision about `{scope}`; it has "
            f"{_few(counts)}"
        )
    return counts[scope]


def _few(names: Iterable[str]) -> str:
    """Some names of a set, for a message."""
    listed = sorted(names)
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "") or "none"


def _endpoint(study: Study, name: str) -> str:
    study.check_endpoints([name])
    return f"{study.endpoint(name).address} serves {', '.join(study.models_by_endpoint()[name])}"


def _store(study: Study) -> str:
    root = study.lake.root
    probe = root / f".doctor-{uuid.uuid4().hex}"
    try:
        study.prepare_store()
        probe.write_bytes(b"ok")
        probe.unlink()
    except OSError as error:
        raise LakeError(
            f"{root}: cannot be written ({error.strerror}); correct `store` or its permissions"
        ) from None
    return "writable"


def _dbt() -> str:
    from depsim_dagster.marts.project import manifest_file

    return f"parsed: {manifest_file().name}"
