"""What the report reads from a real store: comparison, registry and what is absent."""

import pandas as pd

from depsim_dagster.estimation.comparison.assets import comparison_rows
from depsim_dagster.estimation.comparison.schema import MODEL_COMPARISON
from depsim_dagster.report.content import registry_state, report_content
from depsim_dagster.report.page import render_report

WEEK = "2026-01-05"


def test_an_empty_store_gives_a_page_that_says_what_is_absent(study):
    content = report_content(study)
    assert content.registry.intact and not len(content.registry.entries)
    page = render_report(content)
    assert "Absent: the registry has no entry" in page and "Absent: registered_tests has no row" in page


def test_a_comparison_of_few_users_is_withheld(study, simulated):
    simulated(study, WEEK, "v2", ("v1", {"rude": (6, 100), "sly": (1, 3)}))
    simulated(study, WEEK, "v1", ("v1", {"rude": (2, 100), "sly": (0, 3)}))
    study.lake.write(MODEL_COMPARISON, {"model": "v2"}, comparison_rows(study, "v2"))
    shown = report_content(study).comparison.set_index("category")
    assert shown.loc["rude", "pairs"] == 100 and not shown.loc["rude", "suppressed"]
    assert shown.loc["sly", "suppressed"] and pd.isna(shown.loc["sly", "pairs"])


def test_an_edited_ledger_is_not_called_intact(study):
    folder = study.lake.root / "_registry"
    folder.mkdir(parents=True)
    (folder / "00000000.json").write_text("{}")
    state = registry_state(study)
    assert not state.intact and (state.findings or state.refused)
