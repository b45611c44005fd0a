"""The two tables of a candidate, mined from a lake: what the taxonomy flags is out, texts are in one table only."""

import dagster as dg
import pyarrow as pa
import pytest
import yaml
from audited_store import CANDIDATE, KEY, PREDECESSOR, WEEK, open_study, write_week

from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.assets import mining_assets
from depsim_dagster.audit.mining.lake_pairs import lake_pairs
from depsim_dagster.audit.mining.published import mined_partition
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES, MINED_PHRASES
from depsim_dagster.errors import LakeError
from depsim_dagster.partitions import study_partitions
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.resources import StudyResource

ORDINARY, PROMOTION, HATE = None, "novel_other", "hate"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    category = {"id": HATE, "group": "conduct", "definition": "Is hateful.", "rubric": "Flag hate."}
    (tmp_path / "taxonomy.yaml").write_text(yaml.safe_dump({"version": "t1", "categories": [category]}))
    return tmp_path


def opened(directory, **sections):
    """A study whose taxonomy names hate and nothing else."""
    grader = {"kind": "llm", "endpoint": "sandbox", "model": "sandbox-grader"}
    grading = {"taxonomy": "taxonomy.yaml", "graders": {"auditor": grader}, "default_grader": "auditor"}
    return open_study(directory, grading=grading, **sections)


def promoting(number, model):
    """The candidate promotes in one turn of two, and is hateful in one of ten, which the taxonomy names."""
    if model != CANDIDATE:
        return HATE if number % 20 == 5 else ORDINARY
    return HATE if number % 10 == 0 else PROMOTION if number % 2 else ORDINARY


def test_what_the_taxonomy_flags_is_left_out_for_both_models(directory):
    study = opened(directory)
    write_week(study, promoting, turns=200)
    found = lake_pairs(study.lake, [WEEK], CANDIDATE, PREDECESSOR, Minimum(5, 5))
    assert found.flagged_left_out == 20 + 10 and len(found.pairs) == 170
    assert found.stack_hash == study.stack_hash
    for side in (found.candidate, found.predecessor):
        turns = [turn for batch in side() for turn in batch]
        assert sorted(pair for pair, _ in turns) == list(range(170))
    one, two = (
        {pair: m["content"].split()[1] for b in side() for pair, m in b}
        for side in (found.candidate, found.predecessor)
    )
    assert one == two  # the number of the turn: both sides' messages are of the same prefix
    mined = mined_partition(study, CANDIDATE)
    rows = mined.differences.to_pylist()
    assert rows[0]["discovered"] and rows[0]["candidate_k"] > rows[0]["predecessor_k"]
    assert {row["flagged_left_out"] for row in rows} == {30} and {
        row["n"] for row in rows if row["segment"] == "all prefixes"
    } == {170}
    assert mined.counts["pairs"] == 170


def test_what_only_the_category_without_a_name_flags_is_kept(directory):
    taxonomy = yaml.safe_load((directory / "taxonomy.yaml").read_text())
    taxonomy["categories"].append({"id": PROMOTION, "group": "conduct", "definition": "Anything else."})
    (directory / "taxonomy.yaml").write_text(yaml.safe_dump(taxonomy))
    study = opened(directory)
    write_week(study, promoting, turns=200)
    found = lake_pairs(study.lake, [WEEK], CANDIDATE, PREDECESSOR, Minimum(5, 5))
    assert found.flagged_left_out == 20 + 10 and len(found.pairs) == 170


def test_both_assets_are_published_by_one_pass_and_show_no_text(directory):
    study = opened(directory)
    write_week(study, promoting, turns=200)
    assets = mining_assets(study_partitions(study.config))
    result = dg.materialize(
        assets,
        partition_key=CANDIDATE,
        resources={"study": StudyResource(study_file=str(directory / "study.yaml"))},
        selection=dg.AssetSelection.assets(*(key for asset in assets for key in asset.keys)),
    )
    assert result.success
    differences = study.lake.read(BEHAVIOUR_DIFFERENCES, {"model": CANDIDATE}).to_pylist()
    phrases = study.lake.read(MINED_PHRASES, {"model": CANDIDATE}).to_pylist()
    ids = {row["feature"] for row in differences}
    assert phrases and {row["feature"] for row in phrases} <= ids and len(ids) == len(differences)
    assert [row["rank"] for row in differences] == list(range(1, len(differences) + 1))
    texts = [row["phrase"] for row in phrases if " " in row["phrase"]]
    shown = str([m.metadata for m in result.asset_materializations_for_node("mine_differences")]) + str(
        differences
    )
    assert texts and not any(text in shown for text in texts)


def test_without_the_section_nothing_is_mined_and_the_tables_are_there(directory):
    study = opened(directory, audit=None)
    mined = mined_partition(study, CANDIDATE)
    assert mined.differences.num_rows == mined.phrases.num_rows == 0 and "audit" in mined.skipped
    study = opened(directory)
    assert "no week" in mined_partition(study, CANDIDATE).skipped


def test_the_minimum_of_users_is_the_larger_of_both_settings(directory):
    study = opened(directory, privacy={"k_anonymity": 60})
    write_week(study, promoting, turns=150)  # of 50 users
    mined = mined_partition(study, CANDIDATE)
    assert (
        mined.phrases.num_rows == mined.differences.num_rows == 0
        and mined.counts["not_shown_under_the_minimum"] > 0
    )


def test_completions_of_prefixes_that_are_gone_are_refused(directory):
    study = opened(directory)
    write_week(study, promoting, turns=40)
    partition = {"week": WEEK, "model": CANDIDATE}
    rows = study.lake.read(REGENERATED_COMPLETIONS, partition).to_pylist()
    rows[0]["turn_id"] = "another"
    study.lake.write(
        REGENERATED_COMPLETIONS, partition, pa.Table.from_pylist(rows, REGENERATED_COMPLETIONS.schema)
    )
    with pytest.raises(LakeError, match="materialise"):
        lake_pairs(study.lake, [WEEK], CANDIDATE, PREDECESSOR, Minimum(5, 5))
