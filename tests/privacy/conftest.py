"""Copies of a literal store (literal_store.py) to erase from and to purge."""

import shutil
from pathlib import Path

import pytest
from literal_store import KEY, WEEKS, open_store, pass_gates, write_week

from depsim_dagster.study import Study


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> dict[int, Path]:
    """Folders of studies whose store holds one week, and two; tests copy them."""
    folders = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEPSIM_HMAC_KEY", KEY)
        for count in (1, 2):
            folders[count] = tmp_path_factory.mktemp("written")
            study = open_store(folders[count])
            for week in WEEKS[:count]:
                write_week(study, week)
    return folders


@pytest.fixture
def copied(written, tmp_path, monkeypatch):
    """A function that gives a copy of the literal store; its gates pass whatever they see."""
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    monkeypatch.delenv("DEPSIM_HMAC_KEY_PREVIOUS", raising=False)
    pass_gates(monkeypatch)

    def copy(name: str, weeks: int = 2, **changes) -> Study:
        shutil.copytree(written[weeks], tmp_path / name)
        return open_store(tmp_path / name, **changes)

    return copy


@pytest.fixture
def store(copied) -> Study:
    return copied("study")
