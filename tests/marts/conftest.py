from pathlib import Path

import pytest

from depsim_dagster.marts.dbt_build import build_marts, lake_tables

from .literal_lake import FolderLake, small_lake


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return small_lake(tmp_path / "lake")


@pytest.fixture(scope="session")
def marts_of_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The marts of the literal lake, built once for the tests that only read them."""
    lake = small_lake(tmp_path_factory.mktemp("built-lake"))
    build_marts(lake_tables(lake), lake.root / "marts")
    return lake.root / "marts"


@pytest.fixture(scope="session")
def manifest_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session, so that the project is parsed once and never into the user's own cache."""
    return tmp_path_factory.mktemp("manifest-cache")
