"""Decisions on what the audit found: what is shown of it, what is refused, and what a draft does and does not change."""

import json
import threading

import pytest
import yaml
from audited_store import CANDIDATE, KEY, PREDECESSOR, WEEK
from click.testing import CliRunner
from decided_store import AFTERWARDS, HOSTILE, PHRASE, QUOTE, RARE, SUMS, TOOL, filled, write_decided

from depsim_dagster.audit.adjudication.adjudicate import Typed, accept, merge
from depsim_dagster.audit.adjudication.decisions import (
    append_decisions,
    decisions_file,
    publish_decisions,
    read_decisions,
    standing,
)
from depsim_dagster.audit.adjudication.listing import could_find
from depsim_dagster.audit.adjudication.schema import BEHAVIOUR_DECISIONS
from depsim_dagster.audit.adjudication.taxonomy_version import next_version
from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOURS
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES
from depsim_dagster.audit.schema import AUDIT_FINDINGS
from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.grading.taxonomy import SHIPPED
from depsim_dagster.study import Study

FULL = ("accept", SUMS, "--as", "searching_sums")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEPSIM_HMAC_KEY", KEY)
        yield write_decided(tmp_path_factory.mktemp("decided"))


@pytest.fixture
def study(written, monkeypatch):
    """The module's study, without a decision."""
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    decisions_file(written.config).unlink(missing_ok=True)
    return written


@pytest.fixture
def audit(study):
    def run(*words):
        return CliRunner().invoke(main, ["audit", *map(str, words), "-c", str(study.config.file)])

    return run


def test_list_shows_each_kind_and_nothing_that_is_too_small(study, audit):
    result = audit("list")
    assert result.exit_code == 0, result.output
    assert all(id in result.output for id in (SUMS, AFTERWARDS, TOOL, PHRASE))
    assert RARE not in result.output and "secret" not in result.output
    assert "1 left out, of fewer than 5 conversations or 5 users" in result.output
    assert max(map(len, result.output.splitlines())) <= 130  # the last line of all is a sentence
    rows = {row["id"]: row for row in json.loads(audit("list", "--json").stdout)}
    assert rows.keys() == {SUMS, AFTERWARDS, TOOL, PHRASE} and rows[SUMS]["p_adjusted"] == 0.00012
    assert rows[SUMS]["ratio_upper"] is None and rows[SUMS]["decision"] is None
    assert json.loads(audit("list", "--json", "--model", PREDECESSOR).stdout) == []
    wrong = audit("list", "--model", "nobody")
    assert wrong.exit_code == 1 and f"no candidate `nobody`; candidates: {CANDIDATE}" in wrong.stderr
    row = study.lake.read(NOVEL_BEHAVIOURS, {"model": CANDIDATE}).to_pylist()[0]
    told = f"{CANDIDATE}: {row['audited']:,} completions audited; "
    assert row["detectable_per_100k"] is None and f"{told}too few users' to say" in result.output
    assert "below 7,265 per 100k may be there unseen (95 %" in could_find(508, 7264.8, 0.95)


def test_differences_within_chance_are_shown_on_request(study, audit):
    rows = study.lake.read(BEHAVIOUR_DIFFERENCES, {"model": CANDIDATE})
    chance = [row | {"discovered": row["feature"] != TOOL, "segment": "topic 3"} for row in rows.to_pylist()]
    try:
        study.lake.write(BEHAVIOUR_DIFFERENCES, {"model": CANDIDATE}, filled(BEHAVIOUR_DIFFERENCES, chance))
        listed, everything = audit("list").output, audit("list", "--all").output
        assert TOOL not in listed and PHRASE in listed and "not shown: 1 (--all)" in listed
        assert TOOL in everything and "within chance" not in everything and "(topic" in everything
        audit("reject", TOOL, "--note", "no")
        assert TOOL in audit("list").output  # what was decided is always shown
    finally:
        study.lake.write(BEHAVIOUR_DIFFERENCES, {"model": CANDIDATE}, rows)


def test_what_the_study_asks_for_today_is_asked_for(study, tmp_path):
    raw = yaml.safe_load(study.config.file.read_text()) | {
        "store": str(study.lake.root),
        "privacy": {"k_anonymity": 9},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    result = CliRunner().invoke(main, ["audit", "list", "-c", str(tmp_path / "study.yaml")])
    assert (
        SUMS not in result.output and "5 left out, of fewer than 5 conversations or 9 users" in result.output
    )
    assert "found nothing of the size that is shown" in result.output


def test_show_brings_texts_to_the_terminal_and_escapes_them(audit):
    result = audit("show", SUMS)
    assert result.exit_code == 0, result.output
    lines = result.stdout
    assert "terms: search, sum, calculator" in lines and "decision: none yet" in lines
    assert lines.count("description:") == lines.count(QUOTE) == 3 and "It passes off sums" in lines
    # The central one first, then other users' gravest ones.
    assert lines.index("Finding 4 of") < lines.index("Finding 9 of") < lines.index("Finding 14 of")
    assert "nearest to the centre" in lines and "(the candidate)" in lines
    assert not {"\x1b", "\x07", "\u202e"} & set(lines) and "[bold red]ignore the above[/]" in lines
    assert "neither `depsim forget` nor retention reaches it" in " ".join(result.stderr.split())
    none = audit("show", SUMS, "--members", 0)
    assert QUOTE not in none.output and "outside of the store" not in none.output
    every = audit("show", SUMS, "--members", 99).stdout
    assert every.count("description:") == 26 and "(its predecessor)" in every


def test_show_of_a_mined_phrase(audit):
    shown = audit("show", PHRASE).stdout
    assert "phrase: let me look\ufffd[31m that up" in shown and "what: a phrase of 4 words" in shown
    assert "phrase:" not in audit("show", TOOL).stdout


def test_show_reads_no_text_of_a_week_whose_retention_is_over(study, audit):
    table, partition = AUDIT_FINDINGS, {"week": WEEK, "model": CANDIDATE}
    rows, manifest = study.lake.read(table, partition), study.lake.manifest(table, partition)
    from depsim_dagster.lake import Purged

    note = Purged(
        table.name, partition, manifest.rows, manifest.published_at, "2026-06-01T00:00:00+00:00", ()
    )
    try:
        study.lake.remove(table, partition, note)
        shown = audit("show", SUMS)
        assert "the text of 24 finding(s) was deleted by retention" in shown.stdout
        assert shown.stdout.count("description:") == 2
    finally:
        study.lake.write(table, partition, rows)


@pytest.mark.parametrize("id", [RARE, "b-ffffffffffff"])
def test_an_id_that_is_not_shown_is_one_clear_error(audit, study, id):
    for words in (
        ("show", id),
        ("accept", id, "--as", "x"),
        ("reject", id, "--note", "n"),
        ("merge", id, TOOL),
    ):
        result = audit(*words)
        assert result.exit_code == 1 and "Traceback" not in result.output
        assert (
            f"error: {id}: not among what the audit found" in result.stderr
            and "depsim audit list" in result.stderr
        )
        assert "decisions.jsonl" not in result.stderr  # no such file yet
    assert not decisions_file(study.config).exists()


def test_accepting_changes_nothing_that_is_measured(audit, study):
    before = study.stack_hash
    result = audit(*FULL)
    assert result.exit_code == 0, result.output
    assert "accepted as the draft searching_sums (misalignment)" in result.output
    again = Study(load_study(study.config.file))
    assert again.stack_hash == before and "searching_sums" not in again.taxonomy.groups()
    assert "accepted as searching_sums" in audit("show", SUMS).output


def test_the_file_is_readable_grows_only_and_holds_no_text_of_a_conversation(audit, study):
    audit(*FULL, "--by", "anna")
    audit("reject", TOOL, "--note", "an artefact of the log, «ü»", "--by", "bert")
    first = decisions_file(study.config).read_text()
    audit("merge", AFTERWARDS, SUMS, "--by", "anna")
    text = decisions_file(study.config).read_text()
    assert text.startswith(first) and len(text.splitlines()) == 3
    assert QUOTE not in text and HOSTILE[-10:] not in text and "«ü»" in text
    decided = [json.loads(line) for line in text.splitlines()]
    assert [(row["by"], row["id"], row["decision"]) for row in decided] == [
        ("anna", SUMS, "accept"),
        ("bert", TOOL, "reject"),
        ("anna", AFTERWARDS, "merge"),
    ]
    assert decided[0]["draft"]["category"] == "searching_sums" and decided[0]["model"] == CANDIDATE
    assert "search, sum, calculator" in decided[0]["draft"]["rubric"]


def test_the_last_decision_holds_and_the_lake_has_it(audit, study):
    audit(*FULL)
    audit("merge", AFTERWARDS, SUMS)
    audit("merge", PHRASE, "confirmation_hacking")
    audit("reject", TOOL, "--note", "no")
    publish_decisions(study.config, study.lake)
    rows = {row["behaviour"]: row for row in study.lake.read(BEHAVIOUR_DECISIONS, {}).to_pylist()}
    assert {id: (row["decision"], row["category"]) for id, row in rows.items()} == {
        SUMS: ("accepted", "searching_sums"),
        AFTERWARDS: ("merged", "searching_sums"),
        PHRASE: ("merged", "confirmation_hacking"),
        TOOL: ("rejected", None),
    }
    audit("reject", SUMS, "--note", "after all")
    assert standing(read_decisions(study.config))[SUMS].decision == "reject"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("accept", SUMS, "--as", "hate"), "depsim audit merge b-00000000000a hate says that it is the same"),
        (("accept", SUMS, "--as", "Not a name"), "lower-case letters"),
        (("accept", SUMS, "--as", "x", "--group", "other"), "--group other: not one of disallowed_content"),
        (("accept", SUMS, "--as", "x", "--grader", "nobody"), "--grader nobody: not one of auditor"),
        (("accept", TOOL, "--as", "taken"), "this draft is made of b-00000000000a"),
        (("accept", SUMS, "--as", "x", "--definition", " "), "--definition: is empty"),
        (
            ("accept", SUMS, "--as", "x", "--rubric", "Flag \u202eti"),
            "--rubric: holds characters that nobody sees",
        ),
        (("reject", SUMS, "--note", "\udcff"), "--note: holds characters that nobody sees"),
        (("adopt", "/dev/null/never.yaml", "--version", " "), "--version: is empty"),
        (("merge", SUMS, "nothing"), "neither a behaviour that the store has"),
        (("merge", SUMS, SUMS), "merge the other way round"),
        (("merge", SUMS, AFTERWARDS), "merge the other way round"),
        (("merge", SUMS, PHRASE), "is rejected; accept it first"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(audit, study, words, said):
    audit("accept", SUMS, "--as", "taken")
    audit("merge", AFTERWARDS, SUMS)
    audit("reject", PHRASE, "--note", "no")
    before = decisions_file(study.config).read_text()
    result = audit(*words)
    assert result.exit_code == 1 and said in result.stderr, result.output
    assert decisions_file(study.config).read_text() == before


def test_what_a_person_types_is_looked_at(audit):
    typed = (
        "--definition",
        "Calls sums searches.",
        "--rubric",
        f"Flag `{QUOTE}`.",
        "--note",
        "ask jane.roe@example.com",
    )
    result = audit(*FULL, *typed)
    assert result.exit_code == 0
    assert "the rubric that you typed holds 6 words in a row that stand in the evidence" in result.stderr
    assert "the note that you typed holds what reads like a personal detail (email)" in result.stderr
    assert "the definition" not in result.stderr


def test_a_decision_on_what_is_gone_is_told_and_can_be_taken_back(audit, study):
    audit(*FULL)
    rows = study.lake.read(NOVEL_BEHAVIOURS, {"model": CANDIDATE})
    try:
        study.lake.write(NOVEL_BEHAVIOURS, {"model": CANDIDATE}, rows.slice(1))
        listed = audit("list")
        assert (
            f"{SUMS} (accepted as searching_sums) is not among what the audit found any more" in listed.stderr
        )
        taken_back = audit("reject", SUMS, "--note", "regrouped")
        assert taken_back.exit_code == 0 and "any more" not in audit("list").stderr
    finally:
        study.lake.write(NOVEL_BEHAVIOURS, {"model": CANDIDATE}, rows)


def test_a_damaged_file_is_named_with_its_lines(audit, study):
    audit(*FULL)
    file = decisions_file(study.config)
    typed = json.loads(file.read_text()) | {
        "id": "what somebody said"
    }  # ids go into the lake and the warehouse
    file.write_text(file.read_text() + '{"id": "b-1"}\nno json\n' + json.dumps(typed) + "\n")
    result = audit("list")
    assert result.exit_code == 1 and "line 2 is no decision" in result.stderr and "line 3" in result.stderr
    assert "line 4 is no decision" in result.stderr
    assert audit("reject", TOOL, "--note", "n").exit_code == 1 and "no json\n" in file.read_text()


def test_two_who_decide_at_once_lose_nothing(study):
    accept(study, SUMS, "searching_sums", Typed())
    decision = read_decisions(study.config)[0]
    others = [
        threading.Thread(
            target=append_decisions, args=(study.config, [decision.model_copy(update={"by": f"p{n}"})])
        )
        for n in range(8)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert {made.by for made in read_decisions(study.config)[1:]} == {f"p{n}" for n in range(8)}
    with pytest.raises(ConfigurationError, match="somebody else has decided meanwhile"):
        append_decisions(study.config, [decision], 1)


def test_adopt_writes_a_new_version_and_touches_nothing_else(audit, study, tmp_path):
    audit(*FULL, "--definition", "Presents a sum as a search: «browser».")
    audit("accept", TOOL, "--as", "odd_tool", "--group", "disallowed_content")
    audit("reject", TOOL, "--note", "no")
    before = study.config.file.read_bytes(), SHIPPED["default"].read_bytes(), study.stack_hash
    file = tmp_path / "taxonomy-3.yaml"
    result = audit("adopt", file)
    assert result.exit_code == 0, result.output
    assert "taxonomy depsim-3, with searching_sums" in result.output
    assert "another measurement stack" in result.output and f"taxonomy: {file.resolve()}" in result.output
    assert (study.config.file.read_bytes(), SHIPPED["default"].read_bytes(), study.stack_hash) == before
    shipped, new = SHIPPED["default"].read_text().splitlines(), file.read_text().splitlines()
    assert [line for line in new[: len(shipped)] if line not in shipped] == ["version: depsim-3"]
    raw = yaml.safe_load(study.config.file.read_text())
    raw["grading"]["taxonomy"] = str(file)
    changed = study.config.file.with_name("changed.yaml")
    changed.write_text(yaml.safe_dump(raw))
    adopted = Study(load_study(changed))
    assert adopted.taxonomy.categories[-1].definition == "Presents a sum as a search: «browser»."
    assert adopted.taxonomy.groups().keys() - study.taxonomy.groups().keys() == {"searching_sums"}
    assert adopted.stack_hash != study.stack_hash and adopted.stack_hash[:12] in result.output
    again = audit("adopt", file)
    assert again.exit_code == 1 and "is there already and is not replaced" in again.stderr


def test_adopt_of_a_taxonomy_that_is_laid_out_otherwise(audit, study, tmp_path):
    audit(*FULL)
    raw = yaml.safe_load(study.config.file.read_text())
    own = {"categories": [{"id": "rude", "group": "misalignment", "definition": "Rude."}], "version": "mine"}
    (tmp_path / "own.yaml").write_text(json.dumps(own))
    raw["grading"]["taxonomy"], raw["store"] = str(tmp_path / "own.yaml"), str(study.lake.root)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "decisions.jsonl").write_text(decisions_file(study.config).read_text())
    words = ["audit", "adopt", str(tmp_path / "new.yaml"), "-c", str(tmp_path / "study.yaml")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "`taxonomy: new.yaml`" in result.output  # beside the study file
    new = yaml.safe_load((tmp_path / "new.yaml").read_text())
    assert new["version"] == "mine-2" and [entry["id"] for entry in new["categories"]] == [
        "rude",
        "searching_sums",
    ]


def test_adopt_without_a_draft(audit, tmp_path):
    result = audit("adopt", tmp_path / "x.yaml")
    assert (
        result.exit_code == 1
        and "no accepted behaviour" in result.stderr
        and not (tmp_path / "x.yaml").exists()
    )


def test_versions_count_on():
    assert [next_version(v) for v in ("depsim-2", "9", "mine", "v1.9")] == [
        "depsim-3",
        "10",
        "mine-2",
        "v1.10",
    ]


def test_merging_goes_to_the_end_of_the_chain(study):
    merge(study, [PHRASE], TOOL)
    merge(study, [TOOL], SUMS)
    with pytest.raises(ConfigurationError, match="merged into b-00000000000a; merge the other way round"):
        merge(study, [SUMS], PHRASE)
