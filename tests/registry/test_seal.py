"""A sealed forecast cannot be changed unnoticed, and none is sealed after its outcome was looked at."""

import datetime as dt
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depsim_dagster.errors import LakeError, RegistryError
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.lake import MANIFEST, GateMark, file_digest
from depsim_dagster.registry.forecast_rows import calibration_rows, forecast_rows
from depsim_dagster.registry.schema import REGISTERED_FORECASTS
from depsim_dagster.registry.seal import labels_digest, require_sealed, seal, verified_forecast
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

BEFORE = dt.datetime(2026, 1, 18, 12, tzinfo=dt.UTC)
BEFORE_RELEASE, AFTER_RELEASE = dt.date(2026, 1, 18), dt.date(2026, 1, 19)
SOME = {"rude": (3, 100), "sly": (0, 100), "wrong": (40, 100)}
OTHER = {"rude": (9, 100), "sly": (1, 100), "wrong": (40, 100)}


@pytest.fixture
def sealed(study, simulated, backdate):
    """The sealed forecast of v2, from both weeks of its window and without Y→Y in the second."""
    simulated(study, "2026-01-05", "v2", ("v1", SOME))
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    backdate(study, BEFORE)
    return seal(study.lake, "v2", forecast_rows(study, "v2", BEFORE_RELEASE), now=BEFORE)


def forge(study, table, model="v2"):
    """Publish a table past the lake's own checks, as whoever can write the store could."""
    directory = REGISTERED_FORECASTS.directory(study.lake.root, {"model": model})
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "forged.parquet"
    pq.write_table(table, file)
    original = REGISTERED_FORECASTS.directory(study.lake.root, {"model": "v2"}) / MANIFEST
    manifest = json.loads(original.read_text()) | {
        "partition": {"model": model},
        "data_file": file.name,
        "content": file_digest(file),
        "rows": table.num_rows,
    }
    (directory / MANIFEST).write_text(json.dumps(manifest))


def test_a_seal_holds_after_the_round_trip(study, sealed):
    assert verified_forecast(study.lake, "v2").equals(sealed)
    rows = sealed.to_pylist()
    assert [row["category"] for row in rows] == ["rude", "sly", "wrong"]
    assert {len(row["forecast_hash"]) for row in rows} == {64} and {row["previous_hash"] for row in rows} == {
        ""
    }
    assert {row["predecessor_sim_n"] for row in rows} == {None}  # nulls among the integers survive


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/St_Johns"])
def test_a_seal_holds_in_any_time_zone(study, sealed, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert verified_forecast(study.lake, "v2").equals(sealed)
        assert seal(study.lake, "v2", forecast_rows(study, "v2", BEFORE_RELEASE)).equals(sealed)
    finally:
        monkeypatch.undo()
        time.tzset()


def another(value, type_):
    if pa.types.is_boolean(type_):
        return not value
    if pa.types.is_list(type_):
        return value[:-1]
    if pa.types.is_timestamp(type_):
        return value + dt.timedelta(microseconds=1)
    if pa.types.is_string(type_):
        return value + "x"
    return 1 if value is None else value + 1


@pytest.mark.parametrize("rows", ["one", "all"])
def test_an_edit_of_any_column_is_noticed(study, sealed, rows):
    again = forecast_rows(study, "v2", BEFORE_RELEASE)
    for column in REGISTERED_FORECASTS.schema.names:
        table = sealed.to_pylist()
        type_ = REGISTERED_FORECASTS.schema.field(column).type
        for row in table[:1] if rows == "one" else table:
            edited = another(row[column], type_)
            assert edited != row[column], column
            row[column] = edited
        forge(study, pa.Table.from_pylist(table, schema=REGISTERED_FORECASTS.schema))
        for refused in (
            lambda: verified_forecast(study.lake, "v2"),
            lambda: require_sealed(study.lake, "v2", "2026-01-19", ["2026-01-12"]),
            lambda: calibration_rows(study, "v2"),
            lambda: seal(study.lake, "v2", again),
        ):
            with pytest.raises(
                RegistryError, match=r"registered_forecasts\[model=v2\]: .* edited after sealing"
            ):
                refused()


@pytest.mark.parametrize(
    "edit",
    [
        lambda table: table.take([2, 1, 0]),
        lambda table: table.slice(0, 2),
        lambda table: table.take([0, 0, 1, 2]),
        lambda table: table.slice(0, 0),
        lambda table: table.set_column(
            table.schema.get_field_index("rate_per_100k"),
            table.schema.field("rate_per_100k"),
            pa.nulls(3, pa.float64()),
        ),
    ],
)
def test_moved_removed_repeated_and_emptied_rows_are_noticed(study, sealed, edit):
    forge(study, edit(sealed))
    with pytest.raises(RegistryError, match="edited after sealing"):
        verified_forecast(study.lake, "v2")


def test_the_forecast_of_another_model_is_noticed(study, sealed, simulated):
    forge(study, sealed, model="v3")
    with pytest.raises(
        RegistryError, match=r"registered_forecasts\[model=v3\]: no entry of the registry holds its rows"
    ):
        verified_forecast(study.lake, "v3")
    with pytest.raises(RegistryError, match="no entry of the registry holds its rows"):
        require_sealed(study.lake, "v3", "2026-02-02", ["2026-01-26"])
    simulated(study, "2026-01-26", "v3", ("v2", SOME))
    REGISTERED_FORECASTS.directory(study.lake.root, {"model": "v3"}).joinpath(MANIFEST).unlink()
    seal(study.lake, "v3", forecast_rows(study, "v3", BEFORE_RELEASE))
    forge(study, sealed, model="v3")
    with pytest.raises(RegistryError, match=r"registered_forecasts\[model=v3\]: it holds the forecast of v2"):
        verified_forecast(study.lake, "v3")


def test_without_a_forecast_there_is_nothing_to_verify(study):
    with pytest.raises(LakeError, match=r"registered_forecasts\[model=v2\]: not published"):
        verified_forecast(study.lake, "v2")


# ----------------------------------------------------------------------------------------------------- before the outcome


def test_a_second_run_on_the_same_labels_is_the_same_seal(study, sealed):
    assert seal(study.lake, "v2", forecast_rows(study, "v2", BEFORE_RELEASE)).equals(sealed)


def test_a_second_run_after_the_release_stays_a_registered_forecast(study, sealed, observed):
    again = seal(study.lake, "v2", forecast_rows(study, "v2", AFTER_RELEASE))
    assert again.equals(sealed) and set(again.column("kind").to_pylist()) == {"registered"}
    observed(study, "2026-01-19", ("v2", SOME))
    assert seal(study.lake, "v2", forecast_rows(study, "v2", AFTER_RELEASE)).equals(sealed)


def test_a_second_run_by_a_newer_version_keeps_the_seal(study, sealed, simulated, observed):
    newer = forecast_rows(study, "v2", BEFORE_RELEASE)
    newer["upper_per_100k"] += 1e-6  # another version of a library, or a better interval
    assert seal(study.lake, "v2", newer).equals(sealed)
    observed(study, "2026-01-19", ("v2", SOME))
    simulated(
        study, "2026-01-12", "v2", ("v1", dict(reversed(SOME.items())))
    )  # the same labels in other bytes
    again = forecast_rows(study, "v2", BEFORE_RELEASE)
    assert set(again["labels_hash"]) != set(sealed.column("labels_hash").to_pylist())
    assert seal(study.lake, "v2", again).equals(sealed)


def test_what_is_sealed_on_the_day_of_the_release_is_retrospective(study, simulated):
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    late = seal(study.lake, "v2", forecast_rows(study, "v2", AFTER_RELEASE))
    assert set(late.column("kind").to_pylist()) == {"retrospective"}


def test_a_model_that_answers_traffic_already_has_no_registered_forecast(study, simulated, backdate):
    """Whatever the study file says of its release."""
    plain = {pa.string(): "", pa.bool_(): False, pa.int32(): 0, pa.float64(): 1.0}
    row = {
        column.name: plain.get(column.type, dt.datetime(2026, 1, 12, tzinfo=dt.UTC))
        for column in SAMPLED_TRAFFIC.schema
        if not column.nullable
    }
    rows = pa.Table.from_pylist(
        [row | {"week": "2026-01-12", "deployment": "v2"}], schema=SAMPLED_TRAFFIC.schema
    )
    study.lake.write(SAMPLED_TRAFFIC, {"week": "2026-01-12"}, rows)
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    backdate(study, BEFORE)
    early = seal(study.lake, "v2", forecast_rows(study, "v2", BEFORE_RELEASE), BEFORE)
    assert set(early.column("kind").to_pylist()) == {"retrospective"}


def test_changed_labels_are_sealed_anew_until_the_outcome_is_graded(study, sealed, simulated, observed):
    observed(study, "2026-01-12", ("v1", SOME))  # the predecessor's production is no outcome of v2
    simulated(study, "2026-01-12", "v2", ("v1", OTHER))
    anew = seal(study.lake, "v2", forecast_rows(study, "v2", BEFORE_RELEASE))
    assert anew.column("forecast_hash")[0] != sealed.column("forecast_hash")[0]
    assert anew.column("labels_hash")[0] != sealed.column("labels_hash")[0]
    observed(
        study, "2026-02-23", ("v1", SOME), ("v2", SOME)
    )  # any week counts, not only the observation window
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    with pytest.raises(
        RegistryError, match=r"v2: its outcome is already graded \(production_labels of week 2026-02-23\)"
    ):
        seal(study.lake, "v2", forecast_rows(study, "v2", BEFORE_RELEASE))
    assert verified_forecast(study.lake, "v2").equals(anew)


def test_a_changed_forecast_parameter_is_no_second_run(open_study, study, sealed, observed):
    observed(study, "2026-01-19", ("v2", SOME))
    changed = open_study(estimation={"tau": 0.1})
    with pytest.raises(RegistryError, match="already graded"):
        seal(changed.lake, "v2", forecast_rows(changed, "v2", BEFORE_RELEASE))


def test_no_forecast_is_made_after_its_outcome(study, simulated, observed):
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    observed(study, "2026-01-19", ("v2", SOME))
    with pytest.raises(RegistryError, match="would not be blind"):
        seal(study.lake, "v2", forecast_rows(study, "v2", BEFORE_RELEASE))
    assert study.lake.manifest(REGISTERED_FORECASTS, {"model": "v2"}) is None


def publish_prefixes(study, week):
    """An empty published week: what counts is that there are prefixes that could have been replayed."""
    written = study.lake.quarantine(
        DEIDENTIFIED_PREFIXES, {"week": week}, DEIDENTIFIED_PREFIXES.schema.empty_table()
    )
    study.lake.publish(
        written,
        [
            study.lake.signed(
                written,
                GateMark(
                    suite,
                    study.suite_versions[suite],
                    written.content,
                    "test",
                    "2026-01-19T00:00:00+00:00",
                    1,
                ),
            )
            for suite in DEIDENTIFIED_PREFIXES.gates
        ],
    )


def test_an_outcome_is_free_where_no_forecast_could_be_made(study):
    require_sealed(study.lake, "v2", "2026-01-19", ["2026-01-12"])
    publish_prefixes(study, "2026-01-05")
    require_sealed(study.lake, "v2", "2026-01-19", ["2026-01-12"])


def test_an_outcome_is_refused_until_its_forecast_is_sealed(study, simulated):
    publish_prefixes(study, "2026-01-12")
    with pytest.raises(
        RegistryError,
        match=r"production_labels\[week=2026-01-19\]: .* v2, .* registered_forecasts\[model=v2\] first",
    ):
        require_sealed(study.lake, "v2", "2026-01-19", ["2026-01-12"])
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    seal(study.lake, "v2", forecast_rows(study, "v2", BEFORE_RELEASE))
    require_sealed(study.lake, "v2", "2026-01-19", ["2026-01-12"])


@pytest.mark.parametrize(
    ("table", "partition"),
    [(GRADED_LABELS, {"week": "2026-01-12", "model": "v2"}), (REGISTERED_FORECASTS, {"model": "v3"})],
)
def test_a_clock_that_was_set_back_seals_nothing(study, simulated, table, partition):
    """It would make a registered forecast of a retrospective one."""
    simulated(study, "2026-01-26", "v3", ("v2", SOME))
    seal(study.lake, "v3", forecast_rows(study, "v3", BEFORE_RELEASE))
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    manifest = table.directory(study.lake.root, partition) / MANIFEST
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"published_at": later.isoformat()}))
    with pytest.raises(RegistryError, match=rf"{table.name}.*published at {later:%Y-%m-%d}.* clock"):
        seal(study.lake, "v2", forecast_rows(study, "v2", BEFORE_RELEASE))
    assert study.lake.manifest(REGISTERED_FORECASTS, {"model": "v2"}) is None


# ----------------------------------------------------------------------------------------------------------------- chain


def links(study, *models):
    heads = [verified_forecast(study.lake, model).slice(0, 1).to_pylist()[0] for model in models]
    return [(head["previous_hash"], head["forecast_hash"]) for head in heads]


def test_each_seal_names_the_one_before(study, simulated):
    for model, before, week in (
        ("v2", "v1", "2026-01-12"),
        ("v3", "v2", "2026-01-26"),
        ("v4", "v3", "2026-02-09"),
    ):
        simulated(study, week, model, (before, SOME))
        seal(study.lake, model, forecast_rows(study, model, BEFORE_RELEASE))
    (p2, h2), (p3, h3), (p4, h4) = links(study, "v2", "v3", "v4")
    assert (p2, p3, p4) == ("", h2, h3) and len({h2, h3, h4}) == 3
    simulated(study, "2026-01-26", "v3", ("v2", OTHER))
    seal(study.lake, "v3", forecast_rows(study, "v3", BEFORE_RELEASE))
    assert links(study, "v3")[0][0] == h4


def test_the_chain_does_not_fork_when_seals_are_made_at_once(study, simulated):
    models = {"v2": "v1", "v3": "v2", "v4": "v3"}
    weeks = {"v2": "2026-01-12", "v3": "2026-01-26", "v4": "2026-02-09"}
    for model, before in models.items():
        simulated(study, weeks[model], model, (before, SOME))
    rows = {model: forecast_rows(study, model, BEFORE_RELEASE) for model in models}
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda model: seal(study.lake, model, rows[model]), models))
    made = links(study, *models)
    hashes = {forecast for _, forecast in made}
    previous = [before for before, _ in made]
    assert len(set(previous)) == 3 and set(previous) - hashes == {""}


def test_the_labels_hash_is_of_partitions_and_their_content(study, simulated):
    first = simulated(study, "2026-01-05", "v2", ("v1", SOME))
    second = simulated(study, "2026-01-12", "v2", ("v1", SOME))
    assert labels_digest([first, second]) == labels_digest([second, first]) != labels_digest([first])
    simulated(study, "2026-01-12", "v2", ("v1", OTHER))
    changed = study.lake.manifest(GRADED_LABELS, {"week": "2026-01-12", "model": "v2"})
    assert labels_digest([first, changed]) != labels_digest([first, second])
