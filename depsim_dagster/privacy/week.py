"""One week through the privacy station: planted among, de-identified, taken out again, gated, published.

`privacy/erasure/forget.py` enters at the gates instead, with rows that were de-identified before.
"""

from __future__ import annotations

from depsim_dagster.errors import GateError
from depsim_dagster.lake import partition_label
from depsim_dagster.privacy.deidentify import deidentify
from depsim_dagster.privacy.detectors import Detector, build_detectors
from depsim_dagster.privacy.gates.account_identifiers import ACCOUNT_COLUMNS, week_accounts
from depsim_dagster.privacy.gates.canaries import Canaries
from depsim_dagster.privacy.gates.gate import Publication, gate_and_publish
from depsim_dagster.study import Study
from depsim_dagster.traffic.rules import prefix_sources
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC


def publish_week(study: Study, week: str) -> Publication:
    """De-identify the week's sample and publish it through the gates.

    Raises:
        GatesFailed: an expectation failed; the rows are in quarantine.
        GateError, LakeError: the sample is not published, or a planted row did not come back.
        ConfigurationError: the study's key is not set, or a detector cannot be had.
    """
    config, lake, partition = study.config, study.lake, {"week": week}
    detectors: tuple[Detector, ...] = ()
    if config.deidentification.engine != "none":
        accounts = week_accounts(lake.scan(SAMPLED_TRAFFIC, partition, columns=list(ACCOUNT_COLUMNS)))
        detectors = (accounts.identifiers(config.hmac_keys), *build_detectors(study))
    # A text that is not de-identified has nothing to find planted details with.
    canaries = Canaries(config.privacy.canaries_per_type if detectors else 0)
    sampled = lake.manifest(SAMPLED_TRAFFIC, partition)
    planted = canaries.planted_among(lake.scan(SAMPLED_TRAFFIC, partition), sampled.rows if sampled else 0)
    public = [
        source.name
        for source in prefix_sources(config)
        if config.sandbox or source.consent.public_corpus is not None
    ]
    deidentified = deidentify(planted, config.hmac_key, config.deidentification, detectors, public)
    quarantined = lake.quarantine(DEIDENTIFIED_PREFIXES, partition, canaries.withheld_from(deidentified))
    left = canaries.left_in(quarantined.read(columns=["turn_id"]).column("turn_id").to_pylist())
    if left:
        label = partition_label(DEIDENTIFIED_PREFIXES.name, partition)
        raise GateError(f"{label}: {left} planted row(s) were about to be published; materialise it again")
    return gate_and_publish(config, lake, lake.as_published(quarantined), canaries.counts())
