"""Small literal logs of every format, and what the index makes of them."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from literal_traffic import STUDY, study_of

from depsim_dagster.config import StudyConfig
from depsim_dagster.duckdb_sql import connect
from depsim_dagster.lake import Lake
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.schema import INGESTED_FILES, REJECTED_RECORDS
from depsim_dagster.traffic.turn_index import IndexedFile, define_turns, index_traffic, read_turns

AT = "2026-01-07T12:00:00Z"
KNOWN = {"surface": "chat", "account_class": "consumer", "temporary": False}
PUBLIC = {"public_corpus": "published under an open licence"}

# One good record of every format: one question of u1, one answer.
GOOD = {
    "depsim": {
        "conversation_id": "c1",
        "user_id": "u1",
        "model": "m1",
        "language": "en",
        **KNOWN,
        "messages": [
            {"role": "user", "content": "hello", "created_at": AT},
            {"role": "assistant", "content": "hi", "created_at": AT},
        ],
    },
    "openai_chat": {
        "id": "c1",
        "user": "u1",
        "model": "m1",
        "created": 1767787200,
        "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}],
    },
    "wildchat": {
        "conversation_hash": "c1",
        "hashed_ip": "u1",
        "model": "m1",
        "language": "English",
        "timestamp": "2026-01-07T12:00:00",
        "conversation": [
            {"role": "user", "content": "hello", "timestamp": None},
            {"role": "assistant", "content": "hi", "timestamp": "2026-01-07T12:00:00"},
        ],
    },
    "lmsys": {
        "conversation_id": "c1",
        "model": "m1",
        "language": "English",
        "conversation": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}],
    },
    "sharegpt": {
        "id": "c1",
        "model": "m1",
        "conversations": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "hi"}],
    },
}
# Formats without times take them from here.
DEFAULTS = {name: KNOWN | ({"sent_at": AT} if name in ("lmsys", "sharegpt") else {}) for name in GOOD}


@dataclass
class Indexed:
    study: StudyConfig
    lake: Lake
    source: str
    files: list[IndexedFile]
    turns: list[dict]
    rejects: list[dict]

    @property
    def reasons(self) -> list[tuple[int, str, str | None]]:
        return [(row["record"], row["reason"], row["field"]) for row in self.rejects]

    def texts(self) -> list[dict]:
        """The texts of every indexed turn, by record and turn."""
        names = ("file", "record", "turn_index", "place", "next_place")
        chosen = pa.Table.from_pylist([{name: turn[name] for name in names} for turn in self.turns])
        return [
            row
            for batch in read_turns(self.study, self.lake, chosen, self.source)
            for row in batch.to_pylist()
        ]

    def messages(self) -> list[tuple[list[dict], list[dict]]]:
        return [(json.loads(row["prefix"]), json.loads(row["target"])) for row in self.texts()]


def log_study(directory: Path, log_format: str = "openai_chat", paths=("logs*",), **traffic) -> StudyConfig:
    settings = {"format": log_format, "paths": list(paths), "defaults": DEFAULTS[log_format]} | traffic
    return study_of(directory, traffic=STUDY["traffic"] | {"consent": PUBLIC} | settings)


def baseline_study(directory: Path, log_format: str, paths=("logs*",), **section) -> StudyConfig:
    """A study whose challenging prompts are these logs."""
    prompts = {"format": log_format, "paths": list(paths), "consent": PUBLIC, "defaults": KNOWN} | section
    return study_of(directory, traffic=STUDY["traffic"] | {"challenging_prompts": prompts})


def index(study: StudyConfig, source: str = DEPLOYMENT_TRAFFIC) -> Indexed:
    """Index the logs and check what must hold for every one of them: each record is counted in one place."""
    lake = Lake(study.store_root)
    files = index_traffic(study, lake, source)
    connection = connect()
    define_turns(connection, study, lake, source)
    turns = connection.sql("from user_turns order by file, record, turn_index").to_arrow_table().to_pylist()
    rejects = []
    for file in files:
        found = lake.read(REJECTED_RECORDS, {"file": file.file}).to_pylist()
        (row,) = lake.read(INGESTED_FILES, {"file": file.file}).to_pylist()
        assert file.records == file.rejected + file.conversations == row["records"]
        assert file.rejected == len(found) == len({reject["record"] for reject in found})
        kept = {turn["record"] for turn in turns if turn["file"] == file.file}
        assert not kept & {reject["record"] for reject in found}
        assert kept <= set(range(file.records)) and len(kept) == file.conversations
        assert file.user_turns == sum(turn["file"] == file.file for turn in turns)
        rejects += found
    return Indexed(study, lake, source, files, turns, rejects)


def indexed(directory: Path, records, log_format: str = "openai_chat", **traffic) -> Indexed:
    """The index of these records, as JSON Lines."""
    write_lines(directory / "logs.jsonl", records)
    return index(log_study(directory, log_format, **traffic))


def write_lines(path: Path, records) -> Path:
    """Records as JSON, one a line; bytes are written as they are."""
    lines = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
