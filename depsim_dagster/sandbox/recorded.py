"""Recorded answers: what real models once said to given prompts, from CSV, Parquet or JSON-lines files.

An exact lookup by (model, text of the last user message): nothing is generated and nothing is matched
loosely.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.sandbox.behaviour import content_text
from depsim_dagster.sandbox.wire import RequestRefused

_DEFAULT_COLUMNS = {"prompt": "prompt", "model": "model", "answer": "answer"}
_KEYS = frozenset(("files", "columns", "strip_model_prefix"))


class RecordedPlayer:
    """Answers from recordings; of several to one prompt the request's `seed` chooses, else the first."""

    def __init__(self, answers: Mapping[tuple[str, bytes], list[str]]) -> None:
        self.models = tuple(dict.fromkeys(model for model, _ in answers))
        digest = hashlib.sha256()
        for (model, prompt), texts in answers.items():
            digest.update(json.dumps([model, prompt.hex(), texts]).encode())
        self.fingerprint = "fp_" + digest.hexdigest()[:10]
        self._answers = answers

    def message(self, body: Mapping[str, Any], choice: int) -> dict[str, Any]:
        """The recorded answer; raises RequestRefused (404, recording_not_found) for a prompt without one."""
        text = next(
            (content_text(m.get("content")) for m in reversed(body["messages"]) if m.get("role") == "user"),
            "",
        )
        prompt = _key(text)
        answers = self._answers.get((body["model"], prompt))
        if not answers:
            raise RequestRefused(
                404,
                f"No recorded answer of model '{body['model']}' to the prompt with SHA-256 "
                f"{prompt.hex()[:16]}…",
                "recording_not_found",
                "messages",
            )
        return {"role": "assistant", "content": answers[((body.get("seed") or 0) + choice) % len(answers)]}


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def load_recordings(path: str | Path) -> RecordedPlayer:
    """Read a recordings file: a JSON object of `files`, `columns` and, if wanted, `strip_model_prefix`.

    File names are relative to the recordings file. Rows without an answer are left out. Raises
    ConfigurationError naming the file and the column, key or line that is wrong.
    """
    path = Path(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the recordings file ({error.strerror})") from None
    except ValueError:
        raise ConfigurationError(f"{path}: the recordings file is not JSON") from None
    files, columns, prefix = _check(path, config)
    answers: dict[tuple[str, bytes], list[str]] = {}
    for name in files:
        file = path.parent / name
        for prompt, model, answer in _rows(file, columns):
            answers.setdefault((model.removeprefix(prefix), _key(prompt)), []).append(answer)
    if not answers:
        raise ConfigurationError(f"{path}: the files hold no recorded answer")
    return RecordedPlayer(answers)


def _check(path: Path, config: Any) -> tuple[list[str], dict[str, str], str]:
    if not isinstance(config, dict):
        raise ConfigurationError(f"{path}: expected a JSON object with 'files' and 'columns'")
    unknown = sorted(set(config) - _KEYS)
    if unknown:
        raise ConfigurationError(f"{path}: unknown key {unknown[0]!r}; known: {', '.join(sorted(_KEYS))}")
    files = config.get("files")
    if not isinstance(files, list) or not files or not all(isinstance(f, str) for f in files):
        raise ConfigurationError(f"{path}: 'files' must be a list of file names")
    columns = config.get("columns", {})
    if not isinstance(columns, dict) or not all(isinstance(v, str) for v in columns.values()):
        raise ConfigurationError(f"{path}: 'columns' must map prompt, model and answer to column names")
    unknown = sorted(set(columns) - set(_DEFAULT_COLUMNS))
    if unknown:
        raise ConfigurationError(
            f"{path}: columns has unknown key {unknown[0]!r}; known: prompt, model, answer"
        )
    prefix = config.get("strip_model_prefix") or ""
    if not isinstance(prefix, str):
        raise ConfigurationError(f"{path}: 'strip_model_prefix' must be text")
    return files, _DEFAULT_COLUMNS | columns, prefix


def _rows(file: Path, columns: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    reader = {".csv": _read_csv, ".parquet": _read_parquet, ".jsonl": _read_jsonl}.get(file.suffix)
    if reader is None:
        raise ConfigurationError(f"{file}: unknown ending {file.suffix!r}; use .csv, .parquet or .jsonl")
    names = [columns["prompt"], columns["model"], columns["answer"]]
    try:
        for prompt, model, answer in reader(file, names):
            if answer is not None and answer != "":
                if prompt is None or not model:
                    raise ConfigurationError(
                        f"{file}: a row has an answer but no {names[0]!r} or no {names[1]!r}"
                    )
                yield str(prompt), str(model), str(answer)
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be read ({error.strerror or type(error).__name__})"
        ) from None
    except (UnicodeDecodeError, csv.Error):
        raise ConfigurationError(f"{file}: is not UTF-8 {file.suffix[1:]} text") from None


def _need(file: Path, present: Iterable[str], names: Iterable[str]) -> None:
    present = list(present)
    for name in names:
        if name not in present:
            raise ConfigurationError(
                f"{file}: has no column {name!r}; set 'columns' to some of: {', '.join(present[:20])}"
            )


def _read_csv(file: Path, names: list[str]) -> Iterable[tuple[Any, ...]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # answers may be longer than the default 128 KiB
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        _need(file, reader.fieldnames or (), names)
        for row in reader:
            yield tuple(row[name] for name in names)


def _read_parquet(file: Path, names: list[str]) -> Iterable[tuple[Any, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as parquet:
            _need(file, parquet.schema_arrow.names, names)
            for batch in parquet.iter_batches(columns=names):
                yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)
    except pa.ArrowInvalid:
        raise ConfigurationError(f"{file}: is not a Parquet file") from None


def _read_jsonl(file: Path, names: list[str]) -> Iterable[tuple[Any, ...]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise ConfigurationError(f"{file}: line {number} is not JSON") from None
            if not isinstance(row, dict):
                raise ConfigurationError(f"{file}: line {number} is not a JSON object")
            _need(file, row, names)
            yield tuple(row[name] for name in names)
