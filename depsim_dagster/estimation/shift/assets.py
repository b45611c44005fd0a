"""The asset traffic_shift: how far the simulated prefixes are from the mix of traffic that is forecast."""

import json
from collections.abc import Iterable, Iterator

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.shift.covariates import CELL_SEPARATOR, COVARIATE_COLUMNS, ordered_dimensions
from depsim_dagster.estimation.shift.margins import Margins, checked_margins, csv_document
from depsim_dagster.estimation.shift.schema import TRAFFIC_SHIFT
from depsim_dagster.estimation.shift.shift_table import shift_table
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.grading.topics import Topics
from depsim_dagster.partitions import StudyPartitions
from depsim_dagster.privacy.gates.aggregates import published_aggregate
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES
from depsim_dagster.yaml_document import read_yaml

SUPPORT_CHECK = "target_mix_is_covered"
RECENT, WINDOW, FILE = "recent", "window", "file"
SHOWN = ["dimension", "value", "weighted_as", "sampled_turns", "sampled_share", "target_share", "factor"]
HEADING = ["method", "target_mix", "effective_n", "overlap", "trimmed_share"]
COLUMNS = [*COVARIATE_COLUMNS, "inclusion_probability"]
# Of a prefix, what the columns are made of that a label has already.
_SOURCES = {"tools_offered": "tools", "topic": "attributes"}
_ROWS = 65_536
_PREFIX_ROWS = 1_000  # of a table with text


def shift_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """traffic_shift, partitioned by candidate, with a check on overlap and effective size."""

    # A candidate's window is a handful of weeks; Dagster orders against all of them.
    def after_all(name: str) -> dg.AssetDep:
        return dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())

    @dg.asset(
        name=TRAFFIC_SHIFT.name,
        deps=[after_all(DEIDENTIFIED_PREFIXES.name), after_all(GRADED_LABELS.name)],
        group_name="estimation",
        partitions_def=partitions.candidates,
        description=TRAFFIC_SHIFT.description,
        kinds={"python", "parquet"},
        metadata=table_metadata(TRAFFIC_SHIFT),
        required_resource_keys={"study"},
        check_specs=[
            dg.AssetCheckSpec(
                SUPPORT_CHECK,
                asset=TRAFFIC_SHIFT.name,
                description="The sample has enough turns of what the target mix is made of, and keeps half its effective size "
                "under the weights. A warning: the raw forecast does not depend on it.",
            )
        ],
    )
    def traffic_shift(context: dg.AssetExecutionContext):
        study, model = context.resources.study.study, context.partition_key
        rows = shift_rows(study, model)
        manifest = study.lake.write(TRAFFIC_SHIFT, {"model": model}, rows)
        metadata, warning = partition_metadata(manifest, study.config.sandbox), None
        if rows.num_rows:
            head = rows.slice(0, 1).to_pylist()[0]
            warning = head["warning"]
            # Outside of the lake a topic or a language of few users is not named.
            shown = published_aggregate(
                TRAFFIC_SHIFT.name, rows.to_pandas(), study.config.privacy.k_anonymity
            )
            metadata |= {
                "shares": markdown(shown[SHOWN].round(4)),
                **{name: head[name] for name in HEADING},
            }
        else:
            metadata["skipped"] = (
                "estimation.shift is null"
                if study.config.estimation.shift is None
                else "no week of the forecast window has labels of the candidate"
            )
        yield dg.MaterializeResult(metadata=metadata)
        yield dg.AssetCheckResult(
            check_name=SUPPORT_CHECK,
            asset_key=TRAFFIC_SHIFT.name,
            passed=warning is None,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"warning": warning or "none"},
        )

    return [traffic_shift]


def shift_rows(study: Study, model: str) -> pa.Table:
    """TRAFFIC_SHIFT of a candidate; no rows where the study wants none, or nothing of its window is labelled.

    The sample is what its labels say of their prefixes. Covariates stand in the labels, so that they outlive the text of
    their week. Where the text of a `window` is purged, what was published of it stays.

    Raises:
        ConfigurationError, EstimationError: the target mix is not there, or its file is no mix.
    """
    config, settings = study.config, study.config.estimation.shift
    predecessor = config.deployment(model).predecessor
    if settings is None or predecessor is None:
        return TRAFFIC_SHIFT.schema.empty_table()
    weeks = [str(week) for week in config.forecast_weeks(model)]
    labelled = {week: _labelled_turns(study, week, model, predecessor) for week in weeks}
    sample = _together(labelled.values())
    if not len(sample):
        return TRAFFIC_SHIFT.schema.empty_table()
    if "topic" in settings.by and sample["topic"].isna().all():
        raise EstimationError(
            f"{config.file}: estimation.shift.topic: no label of {', '.join(weeks)} has the topic `{settings.topic}`; materialise "
            "graded_labels of these weeks again if they are older than the setting, or take topic out of estimation.shift.by"
        )
    target: pd.DataFrame | Margins
    if settings.target == RECENT:
        target = _recent_turns(study, labelled, predecessor)
    elif settings.target == WINDOW:
        published = [week for week in map(str, config.observation_weeks(model)) if _is_published(study, week)]
        target = _together(_logged_turns(study, week, model) for week in published)
        if not len(target):
            return _published_window(study, model)
    else:
        target = target_file(study, settings.target, ordered_dimensions(list(settings.by)))
    table = shift_table(sample, target, list(settings.by), settings.minimum, settings.trim).assign(
        model=model,
        deployment=predecessor,
        target_mix=settings.target if settings.target in (RECENT, WINDOW) else FILE,
        sandbox=config.sandbox,
    )
    return pa.Table.from_pandas(table, schema=TRAFFIC_SHIFT.schema, preserve_index=False)


def target_file(study: Study, name: str, by: list[str]) -> Margins:
    """The mix that the file `name` of the study gives.

    Raises:
        ConfigurationError: it is not there or not readable as what its name says.
        EstimationError: it holds no mix of these dimensions.
    """
    path, where = study.config.path(name), f"{name} (estimation.shift.target)"
    if path.suffix not in (".csv", ".json"):
        missing = f"no such target mix; correct estimation.shift.target in {study.config.file}"
        return checked_margins(read_yaml(path, missing), by, where)
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = csv_document(text, where) if path.suffix == ".csv" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no {path.suffix[1:].upper()} in UTF-8"
        raise ConfigurationError(
            f"{path}: cannot be read as the target mix ({reason}); correct it or estimation.shift.target in {study.config.file}"
        ) from None
    return checked_margins(document, by, where)


def _recent_turns(study: Study, labelled: dict[str, pd.DataFrame], deployment: str) -> pd.DataFrame:
    """The last week before the release with traffic of the deployment: from its labels, which are of all its prefixes, or
    where it was not simulated, from these. One of the weeks has labels."""
    found = (
        turns if len(turns) or not _is_published(study, week) else _logged_turns(study, week, deployment)
        for week, turns in reversed(labelled.items())
    )
    return next(turns for turns in found if len(turns))


def _published_window(study: Study, model: str) -> pa.Table:
    """The weights that were published while the window's prefixes were there."""
    config, settings, partition = study.config, study.config.estimation.shift, {"model": model}
    weeks = ", ".join(map(str, config.observation_weeks(model))) or "no week of the study"
    if study.lake.manifest(TRAFFIC_SHIFT, partition) is not None:
        rows = study.lake.read(TRAFFIC_SHIFT, partition)
        dimensions = CELL_SEPARATOR.join(rows.column("dimension").unique().to_pylist())
        wanted = CELL_SEPARATOR.join(ordered_dimensions(list(settings.by)))
        if rows.column("target_mix").unique().to_pylist() == [WINDOW] and dimensions == wanted:
            return rows
    raise EstimationError(
        f"{config.file}: estimation.shift.target is window, and the observation window of {model} ({weeks}) has no published "
        "prefixes of it; `window` is for studies whose window is over: set `recent`, give a file of shares, or turn "
        "reweighting off with `shift: null`"
    )


def _is_published(study: Study, week: str) -> bool:
    return study.lake.manifest(DEIDENTIFIED_PREFIXES, {"week": week}) is not None


def _labelled_turns(study: Study, week: str, model: str, deployment: str) -> pd.DataFrame:
    """COLUMNS of the turns of `deployment` that `model` was simulated and labelled on; none where there are no labels."""
    partition = {"week": week, "model": model}
    if study.lake.manifest(GRADED_LABELS, partition) is None:
        return _together(())
    columns = [*COLUMNS, "deployment", "prefix_source"]
    scanned = study.lake.scan(GRADED_LABELS, partition, columns=columns, rows=_ROWS)
    found = _together(_own(_first_rows(batch), deployment) for batch in scanned)
    return found.drop_duplicates("turn_id", ignore_index=True)


def _logged_turns(study: Study, week: str, deployment: str) -> pd.DataFrame:
    """COLUMNS of the sampled turns of `deployment`, from its published prefixes. Their text is not read; of the tools it is
    looked whether there are any, and of the attributes only the topic is kept."""
    topic = study.config.estimation.shift.topic
    read = [name for name in COLUMNS if name not in _SOURCES] + ["tools", "deployment", "prefix_source"]
    read += ["attributes"] if topic else []

    def covariates() -> Iterator[pd.DataFrame]:
        topics = Topics(topic)
        partition = {"week": week}
        for batch in study.lake.scan(DEIDENTIFIED_PREFIXES, partition, columns=read, rows=_PREFIX_ROWS):
            attributes = batch.column("attributes").to_pylist() if topic else [None] * batch.num_rows
            values = pa.array([topics.of(given) for given in attributes], pa.string())
            offered = batch.column("tools").is_valid()
            yield _own(
                batch.append_column("tools_offered", offered).append_column("topic", values), deployment
            )

    return _together(covariates())


def _first_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A turn has a row for each category and completion, one after the other: the first is enough, before it is a Python
    object."""
    turns = batch.column("turn_id")
    later = pc.not_equal(turns.slice(1), turns.slice(0, max(len(turns) - 1, 0)))
    return batch.filter(pa.concat_arrays([pa.array([True] * min(len(turns), 1), pa.bool_()), later]))


def _own(batch: pa.RecordBatch, deployment: str) -> pd.DataFrame:
    own = pc.and_(
        pc.equal(batch.column("deployment"), deployment),
        pc.equal(batch.column("prefix_source"), DEPLOYMENT_TRAFFIC),
    )
    return batch.filter(own).select(COLUMNS).to_pandas()


def _together(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    some = [part for part in parts if len(part)]
    return pd.concat(some, ignore_index=True) if some else pd.DataFrame(columns=COLUMNS)
