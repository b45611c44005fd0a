"""What makes a forecast blind is checked in the order of the entries, so that the study's key alone cannot hide a late one."""

import dataclasses
import datetime as dt

import pytest

from depsim_dagster.errors import RegistryError
from depsim_dagster.registry.chain import BROKEN, UNFINISHED, checked_chain, intact_chain
from depsim_dagster.registry.ledger import (
    Entry,
    LedgerFiles,
    Statement,
    canonical,
    decoded,
    digest,
    encoded,
    signature,
    stated,
    utc,
)

KEY, OLD_KEY = b"the key of these tests", b"the key before its rotation"
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
RELEASED = "2026-01-19T00:00:00+00:00"


def forecast(model="v2", amendment=0, kind="retrospective", **changes):
    rows = ({"model": model, "kind": kind, "released_at": RELEASED, "category": "rude", "k": 1},)
    statement = Statement(kind, RELEASED, digest(rows), "stack", "labels", "", ())
    statement = dataclasses.replace(statement, **changes.pop("stating", {}))
    named = "amendment" if amendment else "forecast"
    return Entry(
        0, named, model, amendment, None, statement, "", "0.1.0", "", changes.pop("rows", rows), **changes
    )


def opening(model="v2", amendment=0):
    return Entry(0, "outcome_opened", model, amendment, "2026-01-19", None, "", "0.1.0", "")


def chained(*entries, key=KEY, days=1):
    """Files as a person with the key can write them: numbered, dated, chained and signed, with their head."""
    made = []
    for number, entry in enumerate(entries, start=1):
        entry = dataclasses.replace(
            entry,
            sequence=number,
            sealed_at=entry.sealed_at or utc(START + dt.timedelta(days=days * number)),
            previous_hash=made[-1].hash if made else "",
        )
        entry = dataclasses.replace(entry, hash=digest(stated(entry)))
        made.append(dataclasses.replace(entry, signature=signature(key, "entry", entry.hash)))
    return LedgerFiles({entry.file_name: encoded(entry) for entry in made}, head(made[-1], key))


def head(entry, key=KEY):
    named = {"sequence": entry.sequence, "hash": entry.hash}
    return canonical({**named, "signature": signature(key, "head", named)})


def found(files, *keys):
    return [
        (finding.severity, finding.where, finding.problem)
        for finding in checked_chain(files, keys or (KEY,))[1]
    ]


HISTORY = (
    forecast(),
    forecast("v3"),
    forecast(amendment=1),
    opening(amendment=1),
    opening("v3"),
    opening("v9", None),
)


def test_a_history_in_order_is_intact():
    assert found(chained(*HISTORY)) == [] and len(intact_chain(chained(*HISTORY), [KEY])) == 6
    assert found(LedgerFiles({}, None)) == []


@pytest.mark.parametrize(
    ("entries", "where", "problem"),
    [
        ((forecast(), opening(), forecast(amendment=1)), "entry 3 (amendment of v2)", "registered late"),
        ((opening(amendment=None), forecast()), "entry 2 (forecast of v2)", "registered late"),
        ((forecast(), forecast()), "entry 2 (forecast of v2)", "is amendment 0 where amendment 1 was due"),
        (
            (forecast(), forecast(amendment=2)),
            "entry 2 (amendment of v2)",
            "is amendment 2 where amendment 1",
        ),
        ((forecast(amendment=1),), "entry 1 (amendment of v2)", "is amendment 1 where forecast 0 was due"),
        (
            (forecast(), forecast(amendment=1), opening()),
            "entry 3 (outcome_opened of v2)",
            "another amendment",
        ),
        ((forecast(), opening(), opening()), "entry 3 (outcome_opened of v2)", "opens what entry 2 opened"),
        ((forecast(kind="hoped for"),), "entry 1 (forecast of v2)", "unknown kind"),
        (
            (forecast(stating={"kind": "registered"}),),
            "entry 1 (forecast of v2)",
            "another kind, release or model",
        ),
        ((forecast(rows=()),), "entry 1 (forecast of v2)", "rows in it do not match their hash"),
        (
            (dataclasses.replace(opening(), amendment=None, rows=({"k": 1},)),),
            "entry 1 (outcome_opened of v2)",
            "holds rows",
        ),
        (
            (dataclasses.replace(forecast(), kind="outcome_opened"),),
            "entry 1 (outcome_opened of v2)",
            "does not state",
        ),
        (
            (forecast(), dataclasses.replace(forecast("v3"), sealed_at=utc(START))),
            "entry 2 (forecast of v3)",
            "before the entry that it follows",
        ),
    ],
)
def test_the_key_does_not_help_to_break_the_order(entries, where, problem):
    findings = found(chained(*entries))
    assert any(found[:2] == (BROKEN, where) and problem in found[2] for found in findings), findings
    with pytest.raises(RegistryError, match="^registry: entry"):
        intact_chain(chained(*entries), [KEY])


def test_registered_means_sealed_before_the_release():
    early, late = (
        dataclasses.replace(forecast(kind="registered"), sealed_at=moment)
        for moment in ("2026-01-18T23:59:59.999999+00:00", "2026-01-19T00:00:00.000000+00:00")
    )
    assert found(chained(early)) == []
    ((severity, _, problem),) = found(chained(late))
    assert severity == BROKEN and "is called registered and was sealed on 2026-01-19" in problem
    unknown = forecast(kind="registered", stating={"released_at": "soon"})
    assert any("is called registered" in problem for _, _, problem in found(chained(unknown)))


def test_signatures_of_a_previous_key_count_and_of_another_do_not():
    assert found(chained(*HISTORY, key=OLD_KEY), KEY, OLD_KEY) == []
    problems = [problem for _, _, problem in found(chained(*HISTORY, key=OLD_KEY), KEY)]
    assert len(problems) == 7 and all("not signed" in problem for problem in problems)


def test_what_a_killed_process_leaves_is_unfinished_and_what_it_cannot_leave_is_broken():
    files = chained(*HISTORY)
    entries = [decoded(content) for _, content in sorted(files.entries.items())]
    first = LedgerFiles({entries[0].file_name: encoded(entries[0])}, None)
    behind = LedgerFiles(files.entries, head(entries[-2]))
    assert (
        [severity for severity, _, _ in found(first)]
        == [UNFINISHED]
        == [severity for severity, _, _ in found(behind)]
    )
    assert len(intact_chain(behind, [KEY])) == 6
    for head_content, problem in ((None, "was deleted"), (head(entries[-3]), "was put back to entry 4 of 6")):
        ((severity, where, said),) = found(LedgerFiles(files.entries, head_content))
        assert (severity, where) == (BROKEN, "_registry/head.json") and problem in said


def test_a_cut_tail_and_a_gap_are_named():
    files = chained(*HISTORY)
    names = sorted(files.entries)
    cut = LedgerFiles({name: files.entries[name] for name in names[:4]}, files.head)
    assert found(cut) == [
        (BROKEN, "_registry/head.json", "names entry 6: entries 5 to 6 were cut off the end")
    ]
    assert found(LedgerFiles({}, files.head))[0][2] == "names entry 6: entries 1 to 6 were cut off the end"
    gap = LedgerFiles({name: files.entries[name] for name in names if name != names[4]}, files.head)
    assert found(gap) == [(BROKEN, "entry 5", "was deleted")]
    replaced = chained(*HISTORY, days=2)
    mixed = LedgerFiles({**files.entries, names[2]: replaced.entries[names[2]]}, files.head)
    assert {where for _, where, problem in found(mixed) if "was replaced or moved" in problem} == {
        "entry 3 (amendment of v2)",
        "entry 4 (outcome_opened of v2)",
    }


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"null", b'{"entry":{}}', b"\xff", b'{"entry":NaN}', b"[" * 100_000]
)
def test_a_file_that_is_no_entry_is_named(content):
    files = chained(forecast())
    for broken in (LedgerFiles({"00000001.json": content}, files.head), LedgerFiles(files.entries, content)):
        assert {severity for severity, _, _ in found(broken)} == {BROKEN}


def test_whitespace_is_an_edit():
    files = chained(forecast())
    ((_, where, problem),) = found(
        LedgerFiles({"00000001.json": files.entries["00000001.json"] + b" "}, files.head)
    )[:1]
    assert (where, problem) == ("entry 1", "its bytes are not those that were written")
