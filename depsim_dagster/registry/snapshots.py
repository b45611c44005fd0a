"""The data that a forecast was made from, as partitions with their content hashes: what `labels_hash` and `prefixes_hash`
are digests of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow.compute as pc

from depsim_dagster.errors import RegistryError
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.lake import Lake, Manifest
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

Snapshot = tuple[str, dict[str, str], str]  # table, partition, content hash


def labels_digest(manifests: Sequence[Manifest]) -> str:
    """One hash for the partitions that a forecast was made from."""
    return snapshots_digest([_snapshot(manifest) for manifest in manifests])


def _snapshot(manifest: Manifest) -> Snapshot:
    return (manifest.table, manifest.partition, manifest.content)


def snapshots_digest(snapshots: Sequence[Snapshot]) -> str:
    lines = sorted(
        f"{json.dumps(partition, sort_keys=True)} {content}" for _, partition, content in snapshots
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def label_snapshots(lake: Lake, model: str, head: Mapping[str, Any]) -> list[Snapshot]:
    """The label partitions whose hash the rows carry: those of the forecast weeks that hold labels on Y's traffic."""
    partitions = [
        {"week": week, "model": writer}
        for week in head["forecast_weeks"]
        for writer in (model, head["deployment"])
    ]
    there = [lake.manifest(GRADED_LABELS, partition) for partition in partitions]
    manifests = [manifest for manifest in there if manifest is not None]
    if labels_digest(manifests) != head["labels_hash"]:
        manifests = [
            manifest for manifest in manifests if _labels_traffic_of(lake, manifest, head["deployment"])
        ]
    if labels_digest(manifests) != head["labels_hash"]:
        raise RegistryError(
            f"{model}: graded_labels of its forecast weeks were published while its forecast was being made; run again"
        )
    return [_snapshot(manifest) for manifest in manifests]


def _labels_traffic_of(lake: Lake, manifest: Manifest, deployment: str) -> bool:
    labels = lake.read(GRADED_LABELS, manifest.partition, columns=["deployment", "prefix_source"])
    ours = pc.and_(
        pc.equal(labels.column("deployment"), deployment),
        pc.equal(labels.column("prefix_source"), DEPLOYMENT_TRAFFIC),
    )
    return bool(pc.any(ours).as_py())


def prefix_snapshots(lake: Lake, weeks: Iterable[str]) -> list[Snapshot]:
    manifests = (lake.manifest(DEIDENTIFIED_PREFIXES, {"week": week}) for week in weeks)
    return [_snapshot(manifest) for manifest in manifests if manifest is not None]
