"""The tables of a study's behaviours: before its release, after it, with an endpoint's embeddings, and without an audit."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from audited_store import AFTER, CANDIDATE, KEY, PREDECESSOR, WEEK, open_study, write_week
from worded_findings import findings

from depsim_dagster.audit.clusters import embedded
from depsim_dagster.audit.clusters.assets import cluster_assets
from depsim_dagster.audit.clusters.novel import novel_behaviours
from depsim_dagster.audit.clusters.post_release import post_release_behaviours
from depsim_dagster.audit.clusters.schema import (
    NOVEL_BEHAVIOUR_MEMBERS,
    NOVEL_BEHAVIOURS,
    POST_RELEASE_BEHAVIOURS,
)
from depsim_dagster.audit.schema import AUDIT_FINDINGS, CATEGORY_ABLATION, PRODUCTION_FINDINGS
from depsim_dagster.errors import BudgetError, EndpointError, GradingError, LakeError
from depsim_dagster.lake import Purged
from depsim_dagster.partitions import study_partitions
from depsim_dagster.replay.dialects.embeddings import embedding_of
from depsim_dagster.replay.journal.claims import read_claims
from depsim_dagster.resources import StudyResource

BEFORE = {"flattery": 0.03, None: 0.03}
AFTER_RELEASE = BEFORE | {"calculator": 0.05, "upsell": 0.05}
EMBEDDINGS = {"endpoint": "sandbox", "model": "sandbox-embedder"}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)


def write_findings(study, table, partition, rows: pd.DataFrame) -> None:
    study.lake.write(table, partition, pa.Table.from_pandas(rows, table.schema, preserve_index=False))


def audited(directory: Path, simulated=None, sections=None, **audit):
    """A study whose candidate shows calculator hacking in its completions, and an upsell as well in production."""
    directory.mkdir(parents=True, exist_ok=True)
    study = open_study(directory, audit=audit, **(sections or {}))
    for week in (WEEK, AFTER):
        write_week(study, lambda number, author: None, turns=2, week=week)
    shared = {"deployment": PREDECESSOR, "turns": 400, "users": 300}
    simulated = simulated or (BEFORE | {"calculator": 0.05}, BEFORE)
    for seed, (model, rates) in enumerate(zip((CANDIDATE, PREDECESSOR), simulated, strict=True)):
        rows = findings(model, rates, seed=seed, week=WEEK, **shared)
        write_findings(study, AUDIT_FINDINGS, {"week": WEEK, "model": model}, rows)
    for seed, (week, model, rates) in enumerate(
        ((WEEK, PREDECESSOR, BEFORE), (AFTER, CANDIDATE, AFTER_RELEASE)), start=2
    ):
        rows = findings(model, rates, seed=seed, prefix_seed=seed, week=week, source="production", **shared)
        write_findings(study, PRODUCTION_FINDINGS, {"week": week}, rows.assign(deployment=model))
    return study


def written(study):
    made = novel_behaviours(study, CANDIDATE)
    study.lake.write(NOVEL_BEHAVIOURS, {"model": CANDIDATE}, made.behaviours)
    study.lake.write(NOVEL_BEHAVIOUR_MEMBERS, {"model": CANDIDATE}, made.members)
    return made


def ablated(study, **changes) -> None:
    row = {
        column.name: None if column.nullable else "" if column.type == pa.string() else 0
        for column in CATEGORY_ABLATION.schema
    }
    row |= {"model": CANDIDATE, "sandbox": True, "answered": 10, "matched": 5, "auditor_hash": "auditor-1"}
    rows = [row | {"category": str(number)} | changes for number in range(10)]
    table = pa.Table.from_pylist(rows, CATEGORY_ABLATION.schema)
    study.lake.write(CATEGORY_ABLATION, {"model": CANDIDATE}, table)


def test_before_and_after_a_release(tmp_path):
    study = audited(tmp_path)
    ablated(study)
    before = written(study).behaviours.to_pandas()
    assert before["novel"].tolist() == [True] + [False] * (len(before) - 1)
    assert before["rank"].tolist() == list(range(1, len(before) + 1))
    first = before.iloc[0]
    assert "search" in first["terms"] and first["behaviour"].startswith("b-")
    assert first["audited"] == first["n"] == first["predecessor_n"] == 400
    worth = first["detectable_with_recall_per_100k"] / first["detectable_per_100k"]
    assert 1 / 0.5 < worth < 1 / 0.3

    rows, skipped = post_release_behaviours(study, CANDIDATE)
    study.lake.write(POST_RELEASE_BEHAVIOURS, {"model": CANDIDATE}, rows)
    after = rows.to_pandas()
    assert skipped is None
    novel = after[after["novel"]]
    by_term = {"calculator" if "search" in row.terms else "upsell": row for row in novel.itertuples()}
    assert {"advertisement", "commercial"} & set(by_term["upsell"].terms)
    assert set(by_term) == {"calculator", "upsell"} and len(novel) == 2
    assert by_term["calculator"].found_before == first["behaviour"] and not by_term["calculator"].missed
    assert pd.isna(by_term["upsell"].found_before) and by_term["upsell"].missed
    old = after[~after["novel"]]
    assert old["found_before"].dropna().isin(before.loc[~before["novel"], "behaviour"]).all()
    assert not old["missed"].any()


def test_an_ablation_of_another_auditor_says_nothing_of_this_one(tmp_path):
    study = audited(tmp_path)
    ablated(study, auditor_hash="another")
    assert novel_behaviours(study, CANDIDATE).behaviours.column("detectable_with_recall_per_100k").null_count


def test_no_text_of_a_finding_is_in_the_tables(tmp_path):
    study = audited(tmp_path)
    made = written(study)
    rows, _ = post_release_behaviours(study, CANDIDATE)
    told = "\n".join(table.to_pandas().to_csv() for table in (made.behaviours, made.members, rows))
    texts = study.lake.read(AUDIT_FINDINGS, {"week": WEEK, "model": CANDIDATE}).column("description")
    for text in filter(None, texts.to_pylist()):
        assert text not in told
    assert "a quotation" not in told and "it misleads" not in told


def test_an_audit_that_shows_nothing_has_one_row_that_says_how_much_was_read(tmp_path):
    study = audited(tmp_path, simulated=({None: 0.02}, {None: 0.02}), users=300)
    rows, members = (
        table.to_pylist() for table in (written(study).behaviours, novel_behaviours(study, CANDIDATE).members)
    )
    assert len(rows) == 1 and members == []
    (row,) = rows
    assert row["behaviour"] is None and row["rank"] is None and row["terms"] == []
    assert (row["findings"], row["users"], row["novel"], row["audited"]) == (0, 0, False, 400)
    assert row["left_out_findings"] > 0
    (after,) = post_release_behaviours(study, CANDIDATE)[0].to_pylist()
    assert after["behaviour"] is None and after["n"] == 400 and not after["missed"]


def test_nothing_below_the_minimum_is_in_tables_metadata_or_log(tmp_path, caplog):
    study = audited(tmp_path)
    partition = {"week": WEEK, "model": CANDIDATE}
    rows = study.lake.read(AUDIT_FINDINGS, partition).to_pandas()
    chosen = rows.index[rows["status"] == "nothing"][:8]
    rows.loc[chosen, "description"] = [f"It recites yeast incantations of kind {i}." for i in range(8)]
    rows.loc[chosen, "user_id"] = [f"canary-{i % 4}" for i in range(8)]  # one user too few
    rows.loc[chosen, ["status", "finding_index", "severity"]] = ["found", 0, 4]
    write_findings(study, AUDIT_FINDINGS, partition, rows)
    result = materialised(study)
    assert result.success
    metadata = [
        event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
    ]
    assert len(metadata) == 3
    told = caplog.text + repr(metadata)
    for table in (NOVEL_BEHAVIOURS, NOVEL_BEHAVIOUR_MEMBERS, POST_RELEASE_BEHAVIOURS):
        told += study.lake.read(table, {"model": CANDIDATE}).to_pandas().to_csv()
    assert "search" in told and "b-" in told  # what is large enough is there
    assert not {"canary", "yeast", "incantations"} & set(re.findall("[a-z]+", told))
    published = study.lake.read(NOVEL_BEHAVIOURS, {"model": CANDIDATE}).to_pandas()
    assert published["severity_median"].max() < 4 and (published["left_out_clusters"] >= 1).all()


def materialised(study) -> dg.ExecuteInProcessResult:
    """Both assets of the room, by Dagster."""
    partitions = study_partitions(study.config)
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            cluster_assets(partitions),
            instance=instance,
            partition_key=CANDIDATE,
            resources={"study": StudyResource(study_file=str(study.config.file))},
        )


def test_the_minimum_of_users_is_at_least_k_anonymity(tmp_path):
    study = audited(tmp_path)
    shown = novel_behaviours(study, CANDIDATE).behaviours.num_rows
    stricter = open_study(tmp_path, privacy={"k_anonymity": 14})
    rows = novel_behaviours(stricter, CANDIDATE).behaviours.to_pandas()
    assert 0 < len(rows) < shown and (rows["users"] >= 14).all()


def test_without_an_audit_or_its_findings_the_tables_are_empty(tmp_path):
    study = open_study(tmp_path, audit=None)
    made = novel_behaviours(study, CANDIDATE)
    assert not made.behaviours.num_rows and "no section `audit`" in made.skipped
    assert post_release_behaviours(study, CANDIDATE)[1] == made.skipped
    study = open_study(tmp_path)
    assert "no week" in novel_behaviours(study, CANDIDATE).skipped
    assert "was not audited" in post_release_behaviours(study, CANDIDATE)[1]


def test_findings_of_two_auditors_are_not_compared(tmp_path):
    study = audited(tmp_path)
    partition = {"week": WEEK, "model": CANDIDATE}
    rows = study.lake.read(AUDIT_FINDINGS, partition).to_pandas().assign(auditor_hash="other")
    write_findings(study, AUDIT_FINDINGS, partition, rows)
    with pytest.raises(GradingError, match="2 different `auditor_hash`.*materialise"):
        novel_behaviours(study, CANDIDATE)


def test_purged_texts_are_told_and_what_was_made_of_them_is_not_made_anew(tmp_path):
    study = audited(tmp_path)
    written(study)
    partition = {"week": WEEK, "model": CANDIDATE}
    manifest = study.lake.manifest(AUDIT_FINDINGS, partition)
    left = Purged(AUDIT_FINDINGS.name, partition, manifest.rows, manifest.published_at, "2026-03-01", ())
    study.lake.remove(AUDIT_FINDINGS, partition, left)
    for make in (novel_behaviours, post_release_behaviours):
        with pytest.raises(LakeError, match="purged"):
            make(study, CANDIDATE)


def test_an_endpoints_embeddings_find_the_same_and_are_paid_once(tmp_path):
    study = audited(tmp_path, embeddings=EMBEDDINGS)
    assert "sandbox-embedder" in study.models_by_endpoint()["sandbox"]
    study.check_endpoints()
    made = written(study)
    rows = made.behaviours.to_pandas()
    assert rows["novel"].tolist() == [True] + [False] * (len(rows) - 1) and "search" in rows["terms"].iloc[0]
    assert rows["vectoriser"].iloc[0].startswith("embeddings of sandbox/sandbox-embedder")
    texts = pa.concat_tables(
        study.lake.read(AUDIT_FINDINGS, {"week": WEEK, "model": model}) for model in (CANDIDATE, PREDECESSOR)
    ).to_pandas()
    stated = texts[texts["status"] == "found"]
    assert made.statistics[0].sent == stated["description"].nunique()
    claims = pa.Table.from_batches(
        read_claims(study.journal_directory("sandbox", "sandbox-embedder") / "claims")
    )
    claimed = set(
        zip(*(claims.column(name).to_pylist() for name in ("week", "turn_id", "user_id")), strict=True)
    )
    assert claimed == set(stated[["week", "turn_id", "user_id"]].itertuples(index=False, name=None))
    again = novel_behaviours(study, CANDIDATE)
    assert again.statistics[0].sent == 0 and again.behaviours.equals(made.behaviours)
    after = post_release_behaviours(study, CANDIDATE)[0].to_pandas()
    foreseen = after[after["found_before"] == rows["behaviour"].iloc[0]]
    assert len(foreseen) == 1 and foreseen["novel"].iloc[0] and not foreseen["missed"].iloc[0]


def test_embeddings_meet_the_budget(tmp_path):
    # Less than one answer of unknown length would be taken for: an embedding has none.
    study = audited(tmp_path, sections={"budget": {"tokens": 1_000}}, embeddings=EMBEDDINGS)
    with pytest.raises(BudgetError, match="budget.tokens"):
        novel_behaviours(study, CANDIDATE)
    more = open_study(tmp_path, audit={"embeddings": EMBEDDINGS}, budget={"tokens": 10_000})
    assert novel_behaviours(more, CANDIDATE).behaviours.num_rows


def test_a_model_that_gives_no_embeddings_is_named(tmp_path):
    study = audited(tmp_path, embeddings=EMBEDDINGS | {"model": "sandbox-grader"})
    with pytest.raises(EndpointError, match="`sandbox-grader` does not take"):
        novel_behaviours(study, CANDIDATE)


@pytest.mark.parametrize("other", [None, np.ones(3)], ids=["refused", "another length"])
def test_a_description_without_an_embedding_is_in_no_group(tmp_path, monkeypatch, other):
    study = audited(tmp_path, embeddings=EMBEDDINGS)
    whole, refused = novel_behaviours(study, CANDIDATE).behaviours.to_pandas(), []

    def first_is_refused(status: str, completion: str) -> np.ndarray | None:
        refused.append(completion)
        return other if completion == refused[0] else embedding_of(status, completion)

    monkeypatch.setattr(embedded, "MOST_REFUSED", 0.0)  # of few descriptions one alone is more than any share
    monkeypatch.setattr(embedded, "embedding_of", first_is_refused)
    rows = novel_behaviours(study, CANDIDATE).behaviours.to_pandas()
    assert len(refused) > 50 and rows["novel"].iloc[0]
    told = rows["left_out_findings"].iloc[0], whole["left_out_findings"].iloc[0]
    assert told[0] >= told[1] and abs(told[0] - told[1]) <= 3


def test_embeddings_beyond_all_memory_are_refused(tmp_path, monkeypatch):
    study = audited(tmp_path, embeddings=EMBEDDINGS)
    monkeypatch.setattr(embedded, "MOST_NUMBERS", 1_000)
    with pytest.raises(EndpointError, match="embeddings of \\d+ numbers for \\d+ descriptions"):
        novel_behaviours(study, CANDIDATE)


def test_more_than_a_few_refusals_are_a_fault(tmp_path, monkeypatch):
    study = audited(tmp_path, embeddings=EMBEDDINGS)
    monkeypatch.setattr(embedded, "embedding_of", lambda status, completion: None)
    with pytest.raises(EndpointError, match="no embedding.*for \\d+ of \\d+ descriptions.*run again"):
        novel_behaviours(study, CANDIDATE)
