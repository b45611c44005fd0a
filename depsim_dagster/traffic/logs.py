"""The logs of a prefix source: each with the identity under which it is indexed, and its records.

A log is a file, or all files of recorded answers together, which become conversations only as a whole.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hmac
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from depsim_dagster.config import StudyConfig
from depsim_dagster.config_sections import LogConfig, PrefixSourceConfig, TrafficConfig
from depsim_dagster.errors import ConfigurationError, TrafficError
from depsim_dagster.traffic.formats.draft import ReadSettings
from depsim_dagster.traffic.log_files import LOG_ENDINGS, PROMPT_ENDINGS, matching_files, shown
from depsim_dagster.traffic.log_streams import LogFile, file_state, opened
from depsim_dagster.traffic.moments import SECOND, microseconds
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.pseudonyms import derived_key
from depsim_dagster.traffic.readers import ReadRecord, kind_of, read_records

_TICK = 2 * 10**9  # nanoseconds within which a second write may leave a file's times as they are
_DAY = 86_400 * SECOND

KnownContent = Callable[[str], str | None]


class Log(Protocol):
    """What is indexed as one: `content` is a SHA-256 of what was read, `state` what the file system said of it then."""

    path: Path
    name: str
    content: str
    state: str
    size: int

    def form(self) -> tuple[str, str]:
        """(kind, compression), as INGESTED_FILES names them."""

    def records(self, only: Sequence[int] | None = None) -> Iterator[ReadRecord]:
        """Its records, or those at the sorted positions `only`.

        Raises:
            TrafficError: it is damaged, or is not what it was when it got its identity.
        """


@dataclass(frozen=True)
class FileLog:
    """One log file. `settled`: its last write was long enough ago for another one to show in its state."""

    path: Path
    name: str
    content: str
    state: str
    size: int
    settled: bool
    settings: ReadSettings

    def form(self) -> tuple[str, str]:
        with opened(self.path) as log:
            return kind_of(log, self.settings.format), log.compression

    def records(self, only: Sequence[int] | None = None) -> Iterator[ReadRecord]:
        with opened(self.path) as log:
            if (log.state != self.state or not self.settled) and log.content() != self.content:
                raise changed(self.name)
            yield from read_records(log, kind_of(log, self.settings.format), self.settings, only)
            log.demand_unchanged()


def changed(name: str) -> TrafficError:
    return TrafficError(
        f"{name}: was changed after it was indexed; run again when it is complete (rotate a log before it is read)"
    )


def log_config(study: StudyConfig, source: str) -> LogConfig:
    """The section of the study file that names the logs of a prefix source."""
    config = study.traffic if source == DEPLOYMENT_TRAFFIC else getattr(study.traffic, source, None)
    if not isinstance(config, LogConfig):
        raise ConfigurationError(f"{study.file}: traffic.{source}: the study has no such prefix source")
    return config


def read_settings(study: StudyConfig, source: str) -> ReadSettings:
    """How the records of a prefix source are read.

    A time is needed to place traffic in a week, and to ask whether consent held; a public corpus beside the traffic needs
    none. Nothing was sent after tomorrow, but a synthetic study may lie in the future, up to its `as_of`.
    """
    now = dt.datetime.now(dt.UTC)
    latest = microseconds(max(now, study.traffic.as_of or now)) + _DAY
    config = log_config(study, source)
    asks_consent = isinstance(config, PrefixSourceConfig) and config.consent.ledger is not None
    return ReadSettings(
        "depsim" if config.format == "recorded_answers" else config.format,
        config.fields,
        config.defaults,
        needs_times=source == DEPLOYMENT_TRAFFIC or asks_consent,
        latest=latest,
    )


def logs_of(study: StudyConfig, source: str, known_content: KnownContent = lambda state: None) -> list[Log]:
    """The logs of a prefix source, each once. `known_content` gives the content of a state that was seen before, so
    that an unchanged file is not read to name it.

    Raises:
        TrafficError: no file matches, or one cannot be opened.
    """
    config, settings = log_config(study, source), read_settings(study, source)
    if isinstance(config, TrafficConfig) and config.format == "recorded_answers":
        from depsim_dagster.traffic.recorded_traffic import RecordedLog

        return [RecordedLog.of(study, settings)]
    key = "traffic.paths" if source == DEPLOYMENT_TRAFFIC else f"traffic.{source}.paths"
    endings = PROMPT_ENDINGS if config.format == "prompts" else LOG_ENDINGS
    files = matching_files(study, config.paths, key, endings)
    by_content: dict[str, Log] = {}
    for path in files:
        log = _file_log(study, path, settings, known_content)
        by_content.setdefault(log.content, log)  # a copy of a file is the same file
    return list(by_content.values())


def log_id(key: bytes, log: Log, config: LogConfig, settings: ReadSettings, version: int) -> str:
    """The id of a log in the index: a keyed digest of its content and of everything that decides how it is read."""
    read_as = config.model_dump(mode="json", include={"format", "fields", "defaults", "models"})
    if config.fields.prompt is None:  # the key is younger than the others, and logs without it keep their ids
        del read_as["fields"]["prompt"]
    identity = {
        "content": log.content,
        "read_as": read_as,
        "needs_times": settings.needs_times,
        "version": version,
    }
    text = json.dumps(identity, sort_keys=True).encode()
    return hmac.digest(derived_key(key, "log file"), text, "sha256").hex()[:32]


def _file_log(study: StudyConfig, path: Path, settings: ReadSettings, known_content: KnownContent) -> FileLog:
    name = shown(path.relative_to(study.directory) if path.is_relative_to(study.directory) else path)
    with contextlib.suppress(OSError):
        status = os.stat(path)
        state, settled = file_state(status), _settled(status)
        content = known_content(state) if settled else None
        if content is not None:
            return FileLog(path, name, content, state, status.st_size, settled, settings)
    with opened(path) as log:
        status = os.stat(path)
        content = _stable_content(log)
        return FileLog(path, name, content, log.state, log.size, _settled(status), settings)


def _stable_content(log: LogFile) -> str:
    content = log.content()
    log.demand_unchanged()
    return content


def _settled(status: os.stat_result) -> bool:
    return max(status.st_mtime_ns, status.st_ctime_ns) < time.time_ns() - _TICK
