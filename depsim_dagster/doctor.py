"""Checks before money is spent: study file, traffic, consent, endpoints, store, dbt."""

from __future__ import annotations

import os
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

    from depsim_dagster.traffic.turn_index import IndexedFile

# Reasons, and files, that a line shows; all of them are in the table rejected_records.
SHOWN = 4


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
        return f"{len(study.config.deployments)} deployment(s), {len(study.config.candidates)} candidate(s), {categories} categories"

    yield _check(f"study file {study_file}", configuration)
    if not opened:
        return
    study = opened[0]
    yield _check("traffic and consent", lambda: _traffic(study))
    yield _check("keys", lambda: _keys(study))
    yield _check(
        "gate suites",
        lambda: ", ".join(f"{name} {version[:12]}" for name, version in study.suite_versions.items()),
    )
    for name in study.models_by_endpoint():
        yield _check(f"endpoint {name}", lambda name=name: _endpoint(study, name))  # type: ignore[misc]
    yield _check("graders", lambda: _graders(study))
    if study.config.awareness is not None or study.config.audit is not None:
        yield _check("awareness and audit", lambda: _examiners(study))
    if any(endpoint.tokenizer for endpoint in study.config.endpoints.values()):
        yield _check("tokenizers", lambda: _tokenizers(study))
    yield _check(f"store {study.lake.root}", lambda: _store(study))
    if study.config.grading.human_labels is not None:
        yield _check("human labels", lambda: _human_labels(study))
    if study.config.budget.limited:
        yield _check("budget", lambda: _budget(study))
    yield _check("dbt project", _dbt)


def _check(name: str, run: Callable[[], str]) -> Check:
    try:
        return Check(name, True, run())
    except DepsimError as error:
        return Check(name, False, str(error))


def _traffic(study: Study) -> str:
    """Index the logs, which the first run would do, and look at what is in them."""
    from depsim_dagster.duckdb_sql import connect
    from depsim_dagster.traffic.consent_ledger import define_consent
    from depsim_dagster.traffic.rules import prefix_sources
    from depsim_dagster.traffic.turn_index import define_turns, index_traffic

    study.prepare_store()
    found, decisions = [], 0
    for source in prefix_sources(study.config):
        files = index_traffic(study.config, study.lake, source.name)
        conversations, rejected = (
            sum(getattr(f, name) for f in files) for name in ("conversations", "rejected")
        )
        if not conversations:
            raise TrafficError(
                f"{study.config.file}: {source.name}: the logs hold no conversation ({rejected:,} records were rejected: "
                f"{_reasons(study, files) or 'none'}); correct `traffic`"
            )
        found.append(
            f"{conversations:,} conversations"
            + (f" ({rejected:,} records rejected: {_reasons(study, files)})" if rejected else "")
        )
        connection = connect()
        define_turns(connection, study.config, study.lake, source.name)
        _known_classes(connection, study, source.name)
        if source.is_traffic:
            _known_deployments(connection, study)
        else:
            found[-1] += f" of {source.name}"
        if source.consent.public_corpus is None:
            define_consent(connection, study.config, source.consent)
            decisions += _decisions(connection, study, source.consent.scope)
            _known_users(connection, study, source.name)
        elif source.is_traffic:
            found[-1] += " of a public corpus"
    return ", ".join(found) + (f", {decisions:,} consent decisions" if decisions else "")


def _reasons(study: Study, files: Iterable[IndexedFile]) -> str:
    """Why records were rejected, and the files with the most of them."""
    from collections import Counter

    from depsim_dagster.traffic.log_files import shown
    from depsim_dagster.traffic.schema import REJECTED_RECORDS

    reasons, worst = Counter[str](), Counter[str]()
    for file in files:
        if file.rejected:
            rows = study.lake.read(REJECTED_RECORDS, {"file": file.file}, columns=["reason"])
            reasons.update(rows.column("reason").to_pylist())
            worst[shown(file.path.name)] += file.rejected
    return "; ".join(
        ", ".join(f"{name} {count:,}" for name, count in counted.most_common(SHOWN))
        for counted in (reasons, worst)
        if counted
    )


def _keys(study: Study) -> str:
    from depsim_dagster.privacy.erasure.key_rotation import PREVIOUS, keys_used, require_keys
    from depsim_dagster.privacy.erasure.records import erased_users

    variable = study.config.deidentification.hmac_key_env
    keys = study.config.hmac_keys
    if not os.environ.get(variable):
        return f"{variable} is not set; this study of synthetic or public conversations needs no secret"
    require_keys(study.config, keys_used(study.lake.root), "rows of this store were made")
    erased_users(study.lake, study.config)
    if len(keys) > 1:
        return f"{variable}, and {variable}{PREVIOUS} for what was made before the key was rotated"
    return f"{variable}; to rotate it, keep the old value in {variable}{PREVIOUS}"


def _known_deployments(connection: duckdb.DuckDBPyConnection, study: Study) -> None:
    """A model's name that differs between logs and study file would leave out all its traffic, week after week."""
    rows = connection.execute("select distinct model from user_turns where model is not null").fetchall()
    logged = {row[0] for row in rows}
    known = {deployment.model for deployment in study.config.deployments}
    if not logged & known:
        raise TrafficError(
            f"{study.config.file}: no deployment of the study answered in the traffic, where the models are "
            f"{_few(logged)}; give `deployments.model` the name in the logs, and `served_as` that of the endpoint"
        )


def _known_classes(connection: duckdb.DuckDBPyConnection, study: Study, source: str) -> None:
    """A log that never says what may exclude a turn would leave out every turn."""
    from depsim_dagster.traffic.turn_rows import UNKNOWN

    exclude = study.config.sampling.exclude
    asked = {
        "temporary": (exclude.temporary_chats, "temporary is not null"),
        "account_class": (exclude.employees or exclude.enterprise, f"account_class <> '{UNKNOWN}'"),
        "surface": (exclude.api, f"surface <> '{UNKNOWN}'"),
    }
    counts = ", ".join(f"count(*) filter ({said})" for _, said in asked.values())
    known = connection.execute(f"select {counts} from user_turns").fetchone() or ()
    missing = [name for (name, (on, _)), turns in zip(asked.items(), known, strict=True) if on and not turns]
    if missing:
        raise TrafficError(
            f"{study.config.file}: {source}: no turn says its {', '.join(missing)}, and what is unknown is left out; "
            "name where it stands in `fields`, or what holds in `defaults`"
        )


def _known_users(connection: duckdb.DuckDBPyConnection, study: Study, source: str) -> None:
    """Users whose ids are written otherwise in the ledger, or are not found in the log, have no consent."""
    users, known = connection.execute("""
        select count(distinct user_id), count(distinct user_id) filter (user_id in (select user_id from consent))
        from user_turns
    """).fetchone() or (0, 0)
    if not known:
        raise TrafficError(
            f"{study.config.file}: {source}: none of the logs' {users:,} users is in the consent ledger, so no turn may be "
            "used; name where the logs keep the ledger's user_id in `fields.user_id`"
        )


def _decisions(connection: duckdb.DuckDBPyConnection, study: Study, scope: str) -> int:
    """Readable consent decisions of a scope."""
    rows = connection.execute(
        "select scope, count(*) from consent where problem is null and scope is not null group by scope"
    ).fetchall()
    counts = dict(rows)
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
    endpoint = study.endpoint(name)
    serves = f"{endpoint.address} serves {', '.join(study.models_by_endpoint()[name])}"
    if endpoint.batch is None:
        return serves
    from depsim_dagster.replay.batch.provider import check_batches

    check_batches(endpoint)
    return f"{serves}, and takes batches"


def _graders(study: Study) -> str:
    from depsim_dagster.grading.graders.code_graders import check_code_graders
    from depsim_dagster.grading.stack import asked_graders

    check_code_graders(study.config)
    asked = asked_graders(study.config, study.taxonomy)
    idle = sorted(study.config.grading.graders.keys() - set(asked))
    return ", ".join(asked) + (f"; a run does not ask {', '.join(idle)}" if idle else "")


def _examiners(study: Study) -> str:
    """Who judges evaluation awareness and who audits; what they ask of endpoints is checked with these."""
    from depsim_dagster.audit.adjudication.decisions import read_decisions, standing
    from depsim_dagster.audit.auditor import auditor_name
    from depsim_dagster.awareness.judges import judges

    said = []
    if study.config.awareness is not None:
        roles: dict[str, dict[str, None]] = {}
        for deployment in study.config.deployments:
            for judge in judges(study.config, deployment.model):
                roles.setdefault(judge.role, {})[judge.name] = None
        said += [f"{role} {', '.join(names)}" for role, names in roles.items()]
        if study.config.traffic.evaluation_prompts is None:
            said.append("no traffic.evaluation_prompts to measure the detectors' recall by")
    if study.config.audit is not None:
        embeddings = study.config.audit.embeddings
        said.append(f"auditor {auditor_name(study)}")
        said.append("local vectoriser" if embeddings is None else f"embeddings of {embeddings.model}")
        decided = standing(read_decisions(study.config))
        said.append(f"{len(decided):,} behaviour(s) decided on")
    return ", ".join(said)


def _tokenizers(study: Study) -> str:
    from depsim_dagster.replay.budget.tokens import load_tokenizer

    files = {
        name: endpoint.tokenizer for name, endpoint in study.config.endpoints.items() if endpoint.tokenizer
    }
    for name, file in files.items():
        load_tokenizer(study.config.path(file), f"{study.config.file}: endpoints.{name}.tokenizer")
    return ", ".join(files.values())


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


def _human_labels(study: Study) -> str:
    from depsim_dagster.grading.review.human_labels import configured_files

    return f"{len(configured_files(study))} file(s) for the validation of graders"


def _budget(study: Study) -> str:
    from depsim_dagster.study_status import spent_line, unpriced_models

    unpriced = unpriced_models(study) if study.config.budget.money is not None else []
    return spent_line(study) + (
        f"\nwarning: no price is known of {', '.join(unpriced)}, whose answers are in the journal and cost nothing here"
        if unpriced
        else ""
    )


def _dbt() -> str:
    from depsim_dagster.marts.project import manifest_file

    return f"parsed: {manifest_file().name}"
