"""What every test may use: no telemetry, a cache of its own, and a small sandbox study that was run once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbt_common.tests import enable_test_caching
from small_study import REPOSITORY, SHARED_DATA, write_study

os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
os.environ.setdefault("DEPSIM_CACHE_DIR", str(REPOSITORY / ".pytest_cache" / "depsim"))
# dbt's own switch for tests: the macros of its packages are taken apart once a process and not once a build.
enable_test_caching()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(
            "../shared/data is absent: real conversations and recorded answers are not part of the project"
        )
    return SHARED_DATA


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four weeks of sandbox traffic, its consent ledger, planted truth and world file."""
    from depsim_dagster.sandbox.traffic import write_traffic
    from depsim_dagster.sandbox.truth import write_truth
    from depsim_dagster.sandbox.world import World

    directory = tmp_path_factory.mktemp("world")
    world = World(weeks=4, conversations_per_week=150, releases={"sandbox-v1": 0, "sandbox-v2": 2})
    list(write_traffic(world, directory))
    write_truth(world, directory)
    world.save(directory / "world.json")
    return directory


@pytest.fixture(scope="session")
def finished_study(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The study file of a small study that was run once, whole, by the `study` job in its own Dagster instance.

    Tests read it and must not change it.
    """
    import dagster as dg

    from depsim_dagster.config import load_study
    from depsim_dagster.definitions import build_definitions

    directory = tmp_path_factory.mktemp("study")
    study_file = write_study(directory, small_world)
    home = directory / "dagster_home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        job = build_definitions(load_study(study_file), study_file).resolve_job_def("study")
        assert job.execute_in_process(instance=instance).success
        yield study_file
