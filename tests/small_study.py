"""A study that is small enough to run in a test, and where the project and the shared data are."""

from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

SMALL_STUDY = {
    "version": 1,
    "name": "small",
    "seed": 3,
    "traffic": {
        "paths": ["traffic/*.parquet"],
        "consent": {"ledger": "consent.parquet"},
        "as_of": "2026-02-02T00:00:00Z",
    },
    "sampling": {"turns_per_week": 120},
    "weeks": {"first": "2026-01-05", "last": "2026-01-26"},
    "windows": {"forecast_weeks": 1, "observation_weeks": 1},
    "deployments": [
        {"model": "sandbox-v1", "released": "2026-01-05", "endpoint": "sandbox"},
        {"model": "sandbox-v2", "released": "2026-01-19", "endpoint": "sandbox", "predecessor": "sandbox-v1"},
    ],
    "endpoints": {"sandbox": {"kind": "sandbox", "world": "world.json"}},
    "grading": {
        "graders": {"sandbox": {"kind": "llm", "endpoint": "sandbox", "model": "sandbox-grader"}},
        "default_grader": "sandbox",
    },
}

# The week before the release of sandbox-v2 and the week after it: a forecast and its score in two weeks of traffic, for
# studies whose size proves nothing.
TWO_WEEKS = {"first": "2026-01-12", "last": "2026-01-19"}
# Nothing after the release of sandbox-v2: a forecast that has no outcome yet.
BEFORE_RELEASE = {"first": "2026-01-05", "last": "2026-01-12"}


def write_study(directory: Path, world: Path, **changes: object) -> Path:
    """A study file in `directory` on the traffic of `world`; `changes` replace top-level keys of SMALL_STUDY."""
    study = {**SMALL_STUDY, **changes}
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("traffic", "consent.parquet", "world.json", "sandbox"):
        if not (directory / name).exists():
            (directory / name).symlink_to(world / name)
    file = directory / "study.yaml"
    file.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return file
