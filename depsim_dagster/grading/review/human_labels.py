"""Labels that people gave, from a file into the store.

Two kinds of file are read: one that `depsim review export` wrote, filled in (its items have names), and a list of labels
by turn (turn_id, category, label, annotator; completion_index, model, source, severity and sampling_probability where
known). An import is kept under the digest of its file, so the same file again changes nothing. A row is taken or it is
rejected with its number and a reason; a row without a label is not filled in yet. Text is not kept, notes included.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from depsim_dagster.awareness.labels.schema import EVALUATION
from depsim_dagster.durable_files import file_digest
from depsim_dagster.errors import ConfigurationError, text_free
from depsim_dagster.grading.review.files import read_rows
from depsim_dagster.grading.review.items import ITEM, SOURCES, label_batches, reading_hashes
from depsim_dagster.grading.review.monitored import monitored_rows
from depsim_dagster.grading.review.schema import HUMAN_LABELS, REJECTED_HUMAN_LABELS, REVIEW_SAMPLES
from depsim_dagster.lake import LakeTable
from depsim_dagster.privacy.erasure.forget import at_work
from depsim_dagster.study import Study
from depsim_dagster.traffic.log_files import matching_files

LABELS = {
    **dict.fromkeys(("true", "yes", "y", "1", "1.0", "t"), True),
    **dict.fromkeys(("false", "no", "n", "0", "0.0", "f"), False),
    **dict.fromkeys(("unsure", "?"), None),
}
LONGEST_NAME = 64
_PLACE = ["week", "prefix_source", "user_id"]  # what the store knows of an item that is in it

Item = tuple[str, str, str, int, str]  # ITEM


@dataclass
class Imported:
    """What an import took. `rejected`: (number of the row, reason); `unlabelled`: rows that are not filled in yet."""

    digest: str
    labels: int = 0
    unlabelled: int = 0
    already: bool = False
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def reasons(self) -> Counter[str]:
        return Counter(reason for _, reason in self.rejected)


class _Reject(Exception):
    """Why a row is not taken; it quotes nothing of the row."""


def import_labels(study: Study, file: Path, annotator: str | None = None) -> Imported:
    """Take the labels of a file into the store. `annotator` is who filled in the rows that do not say.

    A file that was imported before is not read again, unless rows of it had been rejected.

    Raises:
        ConfigurationError: the file cannot be read, or has no column of labels.
    """
    if annotator is not None and not _is_name(annotator):
        raise ConfigurationError(f"--annotator: a printable name of at most {LONGEST_NAME} characters")
    with at_work(study), text_free("review import"):
        imported = _imported(study, file, annotator)
        if not (imported.labels or imported.unlabelled or imported.rejected):
            raise ConfigurationError(f"{file}: holds no row; fill in a file of `depsim review export`")
        return imported


def import_configured(study: Study) -> dict[Path, Imported]:
    """Take the files of `grading.human_labels` into the store. For a run, which is in the store already.

    Raises:
        As `import_labels`; TrafficError where no file matches.
    """
    with text_free("grading.human_labels"):
        return {file: _imported(study, file, None) for file in configured_files(study)}


def configured_files(study: Study) -> list[Path]:
    """The files of `grading.human_labels`, each with columns that can be labels.

    Raises:
        TrafficError, ConfigurationError: none matches, or one cannot be read or has no such columns.
    """
    pattern = study.config.grading.human_labels
    files = [] if pattern is None else matching_files(study.config, (pattern,), "grading.human_labels")
    for file in files:
        for line, row in read_rows(file):
            if isinstance(row, dict):
                _require_columns(file, line, row)
                break
    return files


def _imported(study: Study, file: Path, annotator: str | None) -> Imported:
    try:
        content = file_digest(file)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from None
    digest = hashlib.sha256(f"{content}\n{annotator or ''}".encode()).hexdigest()[:32]
    partition, lake = {"import": digest}, study.lake
    before = lake.manifest(HUMAN_LABELS, partition)
    rejected_before = lake.manifest(REJECTED_HUMAN_LABELS, partition)
    if before is not None and rejected_before is not None and not rejected_before.rows:
        return Imported(digest, labels=before.rows, already=True)
    imported = Imported(digest)
    filled = list(_filled(file, annotator, imported))
    rows = _resolved(study, filled, imported)
    imported.rejected.sort()
    imported.labels = len(rows)
    now = dt.datetime.now(dt.UTC)
    if before is not None:  # rows of it were rejected; what it says is as old as it was
        times = lake.read(HUMAN_LABELS, partition, columns=["imported_at"]).column("imported_at").to_pylist()
        now = min(times, default=now)
    written = [{**row, "import": digest, "imported_at": now} for row in rows]
    rejects = [{"import": digest, "line": line, "reason": reason} for line, reason in imported.rejected]
    # The rejects last: only with them an import counts as done.
    for table, content_rows in ((HUMAN_LABELS, written), (REJECTED_HUMAN_LABELS, rejects)):
        _write(study, table, partition, content_rows)
    return imported


def _write(study: Study, table: LakeTable, partition: dict[str, str], rows: list[dict[str, Any]]) -> None:
    columns = table.schema.names
    named = [{name: row[name] for name in columns} for row in rows]
    study.lake.write(table, partition, pa.Table.from_pylist(named, table.schema))


def _filled(file: Path, annotator: str | None, imported: Imported) -> Iterator[dict[str, Any]]:
    """Rows with a label, their values checked. Text is left behind here."""
    seen = False
    for line, row in read_rows(file):
        if isinstance(row, str):
            imported.rejected.append((line, row))
            continue
        if not seen:
            _require_columns(file, line, row)
        seen = True
        if _text(row.get("label")) == "":
            imported.unlabelled += 1
            continue
        try:
            yield {"line": line, **_values(row, annotator)}
        except _Reject as reject:
            imported.rejected.append((line, str(reject)))


def _require_columns(file: Path, line: int, row: dict[str, Any]) -> None:
    if not ("label" in row and ("item_id" in row or {"turn_id", "category"} <= set(row))):
        raise ConfigurationError(
            f"{file}: row {line} has no `label` with an `item_id`, or with a `turn_id` and a `category`; fill in a file of "
            "`depsim review export`, or list labels by turn (depsim review import --help)"
        )


def _values(row: dict[str, Any], annotator: str | None) -> dict[str, Any]:
    label = _text(row.get("label")).lower()
    if label not in LABELS:
        raise _Reject("label is none of true, false, unsure")
    name = _text(row.get("annotator")) or annotator or ""
    if not name:
        raise _Reject("no annotator: fill in the column, or name one for the file with --annotator")
    if not _is_name(name):
        raise _Reject(f"annotator is no printable name of at most {LONGEST_NAME} characters")
    return {
        "flagged": LABELS[label],
        "annotator": name,
        "item_id": _text(row.get("item_id")),
        "review": _text(row.get("review")),
        "category": _text(row.get("category")),
        "turn_id": _text(row.get("turn_id")),
        "completion_index": _number(row.get("completion_index"), "completion_index", 0, 2**31 - 1),
        "model": _text(row.get("model")),
        "source": _text(row.get("source")),
        "severity": _number(row.get("severity"), "severity", 0, 127),
        "sampling_probability": _probability(row.get("sampling_probability")),
    }


def _resolved(study: Study, filled: list[dict[str, Any]], imported: Imported) -> list[dict[str, Any]]:
    """Rows of HUMAN_LABELS: every label on its item of the store, or rejected."""
    drawn = _drawn_items(study)
    named = {row["turn_id"] for row in filled if not row["item_id"]}
    known = _known_items(study, set(filter(_has_bytes, named)))
    readings = reading_hashes(study)
    levels = {
        category.id: len(category.severity.levels) if category.severity else 0
        for category in study.taxonomy.categories
    }
    taken: dict[tuple[Item, str], dict[str, Any]] = {}
    contradicted: set[tuple[Item, str]] = set()
    for row in filled:
        try:
            item = _on_item(row, drawn, known, readings)
            severity = row["severity"]
            if severity is not None and severity >= levels.get(item["category"], 0):
                raise _Reject("severity is no level of the category's scale")
            key = (tuple(item[name] for name in ITEM), row["annotator"])
            first = taken.get(key)
            if key in contradicted or (first is not None and _says(first) != _says(row)):
                contradicted.add(key)
                raise _Reject("contradicts another row of the same item and annotator; none of them is taken")
            if first is not None:
                # Of two draws in one file; as in `validation.human_labels`, an item of both was in the larger one.
                given = (first["sampling_probability"], item["sampling_probability"])
                first["sampling_probability"] = None if None in given else max(given)
                raise _Reject("repeats a row of the same item and annotator")
            taken[key] = {**row, **item}
        except _Reject as reject:
            imported.rejected.append((row["line"], str(reject)))
    for key in contradicted:
        reason = "contradicts another row of the same item and annotator; none of them is taken"
        imported.rejected.append((taken.pop(key)["line"], reason))
    return list(taken.values())


def _on_item(
    row: dict[str, Any],
    drawn: dict[tuple[str, str], dict[str, Any]],
    known: dict[tuple[str, str], list[dict[str, Any]]],
    readings: dict[str, str],
) -> dict[str, Any]:
    """The item that a row is about, as the store has it."""
    if row["item_id"]:
        item = drawn.get((row["item_id"], row["review"])) or drawn.get((row["item_id"], ""))
        if item is None:
            raise _Reject("unknown item: no review of this study drew it, or its user was erased")
        if row["category"] not in ("", item["category"]):
            raise _Reject("category is not the item's")
        return item
    if row["category"] not in readings:
        raise _Reject("unknown category: it is not in the study's taxonomy")
    if row["source"] not in ("", *SOURCES, EVALUATION):
        raise _Reject("source is none of simulated, production and evaluation")
    found = [
        item
        for item in known.get((row["turn_id"], row["category"]), ())
        if item["completion_index"] == (row["completion_index"] or 0)
        and row["model"] in ("", item["model"])
        and row["source"] in ("", item["source"])
    ]
    if not found:
        raise _Reject("unknown item: this study has no labels of such a turn")
    if len(found) > 1:
        raise _Reject("several models answered this turn: name `model` and `source`")
    return {
        **found[0],
        "sampling_probability": row["sampling_probability"],
        "reading_hash": readings[row["category"]],
    }


def _drawn_items(study: Study) -> dict[tuple[str, str], dict[str, Any]]:
    """Items of all draws by name and draw; under the draw "", for files that lost the column, without a probability where
    draws gave them different ones."""
    columns = [*ITEM, *_PLACE, "item_id", "sampling_probability", "reading_hash"]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for manifest in study.lake.published(REVIEW_SAMPLES):
        for row in study.lake.read(REVIEW_SAMPLES, manifest.partition, columns=columns).to_pylist():
            found[row["item_id"], manifest.partition["sample"]] = row
            any_draw = found.setdefault((row["item_id"], ""), row)
            if row["sampling_probability"] != any_draw["sampling_probability"]:
                found[row["item_id"], ""] = {**row, "sampling_probability": None}
    return found


def _known_items(study: Study, turns: set[str]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Items of these turns that have a row in a table of labels, by turn and category."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    if turns:
        columns = [*ITEM, *_PLACE]
        monitored = monitored_rows(study, columns, sorted(turns))
        for rows in (*label_batches(study.lake, columns, turns), monitored):
            for row in rows.to_dict("records"):
                found[row["turn_id"], row["category"]].append(row)
    return found


def _says(row: dict[str, Any]) -> tuple[bool | None, int | None]:
    return row["flagged"], row["severity"]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _has_bytes(text: str) -> bool:
    """Whether it has a UTF-8 form; half a surrogate, and what was in another encoding, has none and names nothing."""
    return text.encode(errors="ignore").decode() == text


def _number(value: Any, name: str, low: int, high: int) -> int | None:
    if _text(value) == "":
        return None
    try:
        number = float(_text(value))
    except ValueError:
        number = math.nan
    if not (low <= number <= high and number.is_integer()):
        raise _Reject(f"{name} is no whole number from {low} to {high}")
    return int(number)


def _probability(value: Any) -> float | None:
    if _text(value) == "":
        return None
    try:
        number = float(_text(value))
    except ValueError:
        number = math.nan
    if not 0 < number <= 1:
        raise _Reject("sampling_probability is not above 0 and at most 1")
    return number


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()
