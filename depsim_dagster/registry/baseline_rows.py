"""What other prefix sources would have forecast, from the labels of the weeks that the sealed forecast was made from."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from depsim_dagster.errors import GradingError
from depsim_dagster.estimation.calibration.baselines import score_baselines
from depsim_dagster.grading.labelling import one_stack
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.registry.forecast_rows import COUNTED, labels_on, pooled_rates
from depsim_dagster.registry.schema import BASELINE_CALIBRATION, POST_RELEASE_CALIBRATION
from depsim_dagster.registry.seal import verified_forecast
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import BASELINE_SOURCES


def baseline_rows(study: Study, model: str) -> pa.Table:
    """BASELINE_CALIBRATION of `model`: one row per further prefix source with labels and category; empty without one.

    Raises:
        LakeError: the forecast is not scored yet. RegistryError: it was edited after sealing.
        GradingError: the labels on a source were made under another measurement stack than the forecast.
    """
    calibration = study.lake.read(POST_RELEASE_CALIBRATION, {"model": model}).to_pandas()
    sealed = verified_forecast(study.lake, model).slice(0, 1).to_pylist()[0]
    rates = [
        _rates_on(study, source, model, sealed["deployment"], sealed["forecast_weeks"], sealed["stack_hash"])
        for source in BASELINE_SOURCES
    ]
    found = [frame for frame in rates if frame is not None]
    if not found:
        return BASELINE_CALIBRATION.schema.empty_table()
    scored = score_baselines(pd.concat(found, ignore_index=True), calibration)
    return pa.Table.from_pandas(scored, schema=BASELINE_CALIBRATION.schema, preserve_index=False)


def _rates_on(
    study: Study, source: str, model: str, predecessor: str, weeks: list[str], stack: str
) -> pd.DataFrame | None:
    """Rates of candidate and predecessor on the prefixes of `source`; None where the candidate has none."""
    candidate, used = _labels(study, source, model, weeks)
    if not candidate.num_rows:
        return None
    # The predecessor on the same prefixes: of the weeks that the candidate has.
    beside, _ = _labels(study, source, predecessor, used)
    made_under = one_stack(pa.concat_tables([candidate, beside]), f"{source} by {model}")
    if made_under != stack:
        raise GradingError(
            f"{source} by {model}: its labels were made under measurement stack {made_under[:12]} and the forecast's under "
            f"{stack[:12]}; materialise graded_labels of week {', '.join(used)} again"
        )
    return (
        pooled_rates(candidate, study.config)[["category", *COUNTED, "design_effect"]]
        .merge(
            pooled_rates(beside, study.config)[["category", *COUNTED]].rename(
                columns={name: f"predecessor_{name}" for name in COUNTED}
            ),
            on="category",
            how="left",
        )
        .astype({"predecessor_k": "Int64", "predecessor_n": "Int64"})
        .assign(prefix_source=source)
    )


def _labels(study: Study, source: str, model: str, weeks: list[str]) -> tuple[pa.Table, list[str]]:
    partitions = [{"week": week, "model": model} for week in weeks]
    labels, used = labels_on(study.lake, GRADED_LABELS, partitions, source, prefix_source=source)
    return labels, [manifest.partition["week"] for manifest in used]
