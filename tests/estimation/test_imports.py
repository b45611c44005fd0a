"""A notebook can use the estimators without an orchestrator."""

import json
import subprocess
import sys
from pathlib import Path

import depsim_dagster.estimation

PACKAGE = Path(depsim_dagster.estimation.__file__).parent
# Every module but those that tie the estimators to the lake.
MODULES = sorted(
    ".".join(path.with_suffix("").relative_to(PACKAGE.parent).parts)
    for path in PACKAGE.rglob("*.py")
    if path.name not in ("__init__.py", "assets.py", "schema.py")
)
PROGRAM = """
import importlib, json, sys
import depsim_dagster.estimation
package = sorted(sys.modules)
for name in {modules}:
    importlib.import_module("depsim_dagster." + name)
print(json.dumps([package, sorted(sys.modules)]))
"""


def test_estimation_loads_no_dagster_and_the_package_no_scipy():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(modules=MODULES)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    package, everything = json.loads(run.stdout)
    roots = {name.partition(".")[0] for name in everything}
    assert not roots & {"dagster", "dagster_dbt", "great_expectations", "matplotlib", "statsmodels"}
    assert "scipy" in roots  # the check looked at the right process
    assert not {name.partition(".")[0] for name in package} & {"scipy", "numpy", "pandas"}
