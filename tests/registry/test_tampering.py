"""A thousand random edits of a registry, by somebody who can write to the store and has no key: every one is found."""

import copy
import dataclasses
import datetime as dt
import random

import pytest

from depsim_dagster.registry import ledger
from depsim_dagster.registry.chain import CHANGED
from depsim_dagster.registry.forecast_rows import forecast_rows
from depsim_dagster.registry.ledger import (
    HEAD,
    LedgerFiles,
    canonical,
    decoded,
    digest,
    encoded,
    signature,
    stated,
)
from depsim_dagster.registry.seal import open_outcome, seal
from depsim_dagster.registry.verify import evidence, verify

EDITS = 1_000
TODAY = dt.date(2026, 1, 1)
SOME = {"rude": (3, 60), "sly": (0, 60), "wrong": (20, 60)}
OTHER = {"rude": (9, 60), "sly": (1, 60), "wrong": (20, 60)}
KEY = b"the key of the registry's tests"  # of conftest.py
FORGED = b"not the key of this study's registry"


@pytest.fixture
def registered(study, simulated, observed):
    """v2 with an amendment, v3 and v4; the outcomes of v2 and v3 are opened and graded, v2's is scored."""
    lake = study.lake
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    seal(lake, "v2", forecast_rows(study, "v2", TODAY))
    simulated(study, "2026-01-26", "v3", ("v2", SOME))
    seal(lake, "v3", forecast_rows(study, "v3", TODAY))
    simulated(study, "2026-01-12", "v2", ("v1", OTHER))
    seal(lake, "v2", forecast_rows(study, "v2", TODAY))
    for model, week in (("v2", "2026-01-19"), ("v3", "2026-02-02")):
        open_outcome(lake, model, week, ["2026-01-12"])
        observed(study, week, (model, SOME))
    simulated(study, "2026-02-09", "v4", ("v3", SOME))
    seal(lake, "v4", forecast_rows(study, "v4", TODAY))
    found = evidence(study)
    last = {
        entry.model: entry.hash for entry in map(decoded, found.files.entries.values()) if entry.statement
    }
    return dataclasses.replace(found, scores={"v2": frozenset({last["v2"]})}), study.lake.signing_keys()


# ---------------------------------------------------------------------------------------------------------- the edits
def with_files(found, entries, head=None):
    return dataclasses.replace(found, files=LedgerFiles(entries, found.files.head if head is None else head))


def another(random, value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, dt.datetime):
        return value + dt.timedelta(microseconds=random.choice([-1, 1]) * random.randint(1, 10**9))
    if isinstance(value, int | float):
        return value + random.choice([-1, 1]) * random.choice([1, 0.5, 1e-9 * max(abs(value), 1)])
    if isinstance(value, str):
        at = random.randrange(len(value) + 1)
        return value[:at] + random.choice("0af-") + value[at:]
    if isinstance(value, list):
        return [*value, "2026-03-02"]
    return 1


def edit_rows(change):
    """An edit of the rows that the lake holds of one model."""

    def edit(random, found):
        model = random.choice(sorted(found.rows))
        rows = copy.deepcopy(found.rows[model])
        return dataclasses.replace(found, rows={**found.rows, model: change(random, rows, found)})

    return edit


def change_value(random, rows, found):
    row = random.choice(rows)
    name = random.choice(sorted(row))
    row[name] = another(random, row[name])
    return rows


def swap_rows(random, rows, found):
    one, other = random.sample(range(len(rows)), 2)
    rows[one], rows[other] = rows[other], rows[one]
    return rows


def swap_a_value(random, rows, found):
    """Two categories of a forecast exchange a value, and nothing else tells."""
    names = [name for name in sorted(rows[0]) if len({str(row[name]) for row in rows}) > 1]
    name = random.choice(names)
    one, other = random.choice([(a, b) for a in rows for b in rows if a[name] != b[name]])
    one[name], other[name] = other[name], one[name]
    return rows


def swap_hashes(random, rows, found):
    """The seals of another model's rows."""
    other = found.rows[
        random.choice([model for model in found.rows if found.rows[model][0]["model"] != rows[0]["model"]])
    ]
    for row in rows:
        for name in ("forecast_hash", "previous_hash", "sequence", "sealed_at"):
            row[name] = other[0][name]
    return rows


def delete_row(random, rows, found):
    del rows[random.randrange(len(rows))]
    return rows


def repeat_row(random, rows, found):
    rows.insert(random.randrange(len(rows) + 1), copy.deepcopy(random.choice(rows)))
    return rows


def append_late_rows(random, rows, found):
    late = [copy.deepcopy(row) for row in rows[-3:]]
    for row in late:
        row["amendment"] += 1
        row["rate_per_100k"] = another(random, row["rate_per_100k"])
        row["forecast_hash"] = digest([row["category"], random.random()])
        row["sealed_at"] += dt.timedelta(hours=1)
    return [*rows, *late]


def delete_rows_of_a_model(random, found):
    gone = random.choice(sorted(found.rows))
    return dataclasses.replace(
        found, rows={model: rows for model, rows in found.rows.items() if model != gone}
    )


def damage_a_byte(random, found):
    """Of an entry or the head."""
    name = random.choice([*sorted(found.files.entries), HEAD])
    content = bytearray(found.files.head if name == HEAD else found.files.entries[name])
    at = random.randrange(len(content))
    content[at] = random.choice([byte for byte in range(32, 127) if byte != content[at]])
    if name == HEAD:
        return with_files(found, found.files.entries, bytes(content))
    return with_files(found, {**found.files.entries, name: bytes(content)})


def rewritten(random, found, change, key=None):
    """An entry whose content was changed, with a hash that matches; signed with a key that is not the study's, or not."""
    name = random.choice(sorted(found.files.entries))
    entry = change(decoded(found.files.entries[name]))
    entry = dataclasses.replace(entry, hash=digest(stated(entry)))
    if key is not None:
        entry = dataclasses.replace(entry, signature=signature(key, "entry", entry.hash))
    return with_files(found, {**found.files.entries, name: encoded(entry)})


def change_time(random, found):
    def change(entry):
        return dataclasses.replace(entry, sealed_at=ledger.utc(another(random, entry.moment)))

    return rewritten(random, found, change, random.choice([None, FORGED]))


def change_entry(random, found):
    def change(entry):
        if entry.statement is None:
            return dataclasses.replace(entry, model="v4" if entry.model != "v4" else "v2")
        field = random.choice(["kind", "released_at", "stack_hash", "labels_hash", "prefixes_hash"])
        value = "registered" if field == "kind" else another(random, getattr(entry.statement, field))
        return dataclasses.replace(entry, statement=dataclasses.replace(entry.statement, **{field: value}))

    return rewritten(random, found, change, random.choice([None, FORGED]))


def change_rows_in_entry(random, found):
    """Rates that are nicer, in the entry, in its hashes and in the lake."""
    forecasts = [entry for entry in map(decoded, found.files.entries.values()) if entry.statement is not None]
    entry = random.choice(forecasts)
    rows = tuple(copy.deepcopy(list(entry.rows)))
    random.choice(rows)["rate_per_100k"] = random.uniform(0, 1e5)
    statement = dataclasses.replace(entry.statement, rows_hash=digest(rows))
    forged = dataclasses.replace(entry, rows=rows, statement=statement)
    forged = dataclasses.replace(forged, hash=digest(stated(forged)))
    if random.random() < 0.5:
        forged = dataclasses.replace(forged, signature=signature(FORGED, "entry", forged.hash))
    return with_files(found, {**found.files.entries, entry.file_name: encoded(forged)})


def swap_entries(random, found):
    one, other = random.sample(sorted(found.files.entries), 2)
    entries = dict(found.files.entries)
    entries[one], entries[other] = entries[other], entries[one]
    if random.random() < 0.5:  # with the numbers of their new places
        for name in (one, other):
            entries[name] = encoded(dataclasses.replace(decoded(entries[name]), sequence=int(name[:8])))
    return with_files(found, entries)


def swap_seals(random, found):
    """Hash and signature of another entry."""
    one, other = (
        decoded(found.files.entries[name]) for name in random.sample(sorted(found.files.entries), 2)
    )
    swapped = dataclasses.replace(one, hash=other.hash, signature=other.signature)
    return with_files(found, {**found.files.entries, one.file_name: encoded(swapped)})


def delete_entry(random, found):
    entries = dict(found.files.entries)
    del entries[random.choice(sorted(entries))]
    return with_files(found, entries)


def close_a_gap(random, found):
    """An entry is taken out and those behind it move up."""
    gone = random.choice(sorted(found.files.entries)[:-1])
    kept = [decoded(content) for name, content in sorted(found.files.entries.items()) if name != gone]
    moved = [dataclasses.replace(entry, sequence=number) for number, entry in enumerate(kept, start=1)]
    return with_files(found, {entry.file_name: encoded(entry) for entry in moved})


def cut_the_tail(random, found):
    kept = sorted(found.files.entries)[: random.randrange(len(found.files.entries))]
    return with_files(found, {name: found.files.entries[name] for name in kept})


def head_of(found, number, key):
    named = {"sequence": number, "hash": decoded(found.files.entries[f"{number:08d}.json"]).hash}
    return canonical({**named, "signature": signature(key, "head", named)})


def roll_the_head_back(random, found):
    """To an older head, which was genuine, with or without the entries behind it."""
    number = random.randrange(1, len(found.files.entries))
    entries = dict(found.files.entries)
    if random.random() < 0.5:
        entries = {name: content for name, content in entries.items() if int(name[:8]) <= number}
    return with_files(found, entries, head_of(found, number, KEY))  # as the study's own process made it then


def forge_the_head(random, found):
    number = random.randrange(1, len(found.files.entries))
    return with_files(found, found.files.entries, head_of(found, number, FORGED))


def delete_the_head(random, found):
    return dataclasses.replace(found, files=LedgerFiles(found.files.entries, None))


def append_forged_entry(random, found):
    """A late amendment, chained, dated and numbered as it should be, and signed with another key or with an old signature."""
    last = decoded(found.files.entries[max(found.files.entries)])
    model = random.choice(["v2", "v3", "v4"])
    own = [
        entry
        for entry in map(decoded, found.files.entries.values())
        if entry.model == model and entry.statement is not None
    ][-1]
    late = dataclasses.replace(
        own,
        sequence=last.sequence + 1,
        kind="amendment",
        amendment=own.amendment + 1,
        previous_hash=last.hash,
        sealed_at=ledger.utc(last.moment + dt.timedelta(hours=1)),
    )
    late = dataclasses.replace(late, hash=digest(stated(late)))
    if random.random() < 0.7:
        late = dataclasses.replace(late, signature=signature(FORGED, "entry", late.hash))
    return with_files(found, {**found.files.entries, late.file_name: encoded(late)})


def add_a_file(random, found):
    content = random.choice(sorted(found.files.entries.values()))
    return with_files(
        found, {**found.files.entries, random.choice(["00000003.json.bak", "3.json", "note"]): content}
    )


def delete_openings(random, found):
    """What would let a forecast be registered late."""
    gone = random.choice(["v2", "v3"])
    entries = {
        name: content
        for name, content in found.files.entries.items()
        if (decoded(content).model, decoded(content).kind) != (gone, "outcome_opened")
    }
    return with_files(found, entries)


EDITS_BY_KIND = [
    *map(edit_rows, [change_value, swap_rows, swap_a_value, swap_hashes, delete_row, repeat_row, append_late_rows]),
    delete_rows_of_a_model, damage_a_byte, change_time, change_entry, change_rows_in_entry, swap_entries, swap_seals,
    delete_entry, close_a_gap, cut_the_tail, roll_the_head_back, forge_the_head, delete_the_head, append_forged_entry,
    add_a_file, delete_openings,
]  # fmt: skip


def test_a_thousand_edits_are_all_found(registered):
    found, keys = registered
    verdict = verify(found, keys)
    # What was published again below the first forecast of v2 is told; the forecast was amended for it.
    assert verdict.intact and verdict.findings == () and len(verdict.entries) == 6
    generator, missed = random.Random(20260124), []
    for number in range(EDITS):
        kind = EDITS_BY_KIND[number % len(EDITS_BY_KIND)]
        edited = kind(generator, found)
        assert edited != found, kind  # an edit that changes nothing would prove nothing
        findings = verify(edited, keys).findings
        if not any(finding.severity != CHANGED for finding in findings):
            missed.append((number, kind))
        for finding in findings:
            assert finding.where and finding.problem and finding.way_out
    assert missed == []
