"""One study as one self-contained HTML page, with the same numbers as JSON beside it.

It summarises and formats tables that are already scored; it computes no interval, score or forecast (that is
`estimation`), and it reads no lake (that is `content` and `quality_content`).

    report_content, plain_rows   what is shown, as rows of plain values
    value_text, verdict          numbers as words, and a candidate in a few of them
    plain_tables, quality_tables any table, a mart that fits a page, and those on traffic, gates and data quality
    candidate_parts, *_part      the tables of one candidate: comparison, novel behaviours, evaluation awareness, correction,
                                 shift, variants, decomposition; novel_coverage: what the audit could have found
    registry_tables              the registered tests, and the registry's chain
    figures, page, terminal      SVG, HTML, and the table in the terminal
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd

from depsim_dagster.errors import LakeError
from depsim_dagster.report.candidate_parts import candidate_parts
from depsim_dagster.report.page import render_report, utc_text
from depsim_dagster.report.plain_rows import plain, records
from depsim_dagster.report.report_content import SANDBOX_LABEL, RegistryState, ReportContent
from depsim_dagster.report.verdict import candidates, summaries, verdict

REPORT = "report.html"  # beside the study file
# 2: rates and funnel by prefix source, baselines; data_quality is a mapping of tables (DataQuality).
# 3: model_comparison, corrected_rates, traffic_shift, variant_calibration, error_decomposition, registered_tests, registry;
#    forecasts may hold several amendments of a candidate, the largest is the one that stands; called directions and tau.
# 4: awareness_rates, replay_giveaways, novel_behaviours, behaviour_differences, category_ablation, post_release_behaviours,
#    behaviour_decisions, sections (whether the study file has `awareness` and `audit`); mart evaluation_awareness, and columns of
#    the audit in taxonomy_coverage; `warnings` of each verdict, as they stand on the page.
SCHEMA_VERSION = "4"


def report_json(content: ReportContent) -> str:
    """The page's numbers as strict JSON (NaN becomes null), keys sorted, rows in table order."""
    summary, groups = summaries(content), candidates(content)
    warnings = {
        model: [warning for part in parts for warning in part.warnings]
        for model, parts in candidate_parts(content, groups).items()
    }
    document = {
        "schema_version": SCHEMA_VERSION,
        "study": content.study,
        "generated_at": utc_text(content.generated_at),
        "sandbox": content.shows_sandbox,
        "label": SANDBOX_LABEL if content.shows_sandbox else None,
        "verdicts": [
            plain(asdict(verdict(rows, summary.get(model)))) | {"warnings": warnings[model]}
            for model, rows in groups.items()
        ],
        "calibration": records(content.calibration),
        "calibration_summary": records(content.summary),
        "forecasts": records(content.forecasts),
        "baselines": records(content.baselines),
        "rates_by_week": records(content.rates_by_week),
        "funnel": records(content.funnel),
        "k_anonymity": content.k_anonymity,
        "marts": {str(name): records(frame) for name, frame in content.marts.items()},
        "measurement_stack": plain(content.measurement_stack),
        "data_quality": {
            part.name: _plain_table(getattr(content.data_quality, part.name))
            for part in fields(content.data_quality)
        },
        "grader_validation": records(content.grader_validation),
        "model_comparison": records(content.comparison),
        "corrected_rates": records(content.corrected),
        "traffic_shift": records(content.shift),
        "variant_calibration": records(content.variants),
        "error_decomposition": records(content.decomposition),
        "registered_tests": records(content.tests),
        "awareness_rates": records(content.awareness),
        "replay_giveaways": records(content.giveaways),
        "novel_behaviours": records(content.behaviours),
        "behaviour_differences": records(content.differences),
        "category_ablation": records(content.ablation),
        "post_release_behaviours": records(content.after_release),
        "behaviour_decisions": records(content.decisions),
        "sections": {"awareness": content.has_awareness, "audit": content.has_audit},
        "registry": _registry(content.registry),
        "gates": [plain(gate) for gate in content.gates],
    }
    return json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _registry(state: RegistryState | None) -> object:
    return None if state is None else plain(asdict(state) | {"entries": records(state.entries)})


def _plain_table(table: Mapping[str, object] | pd.DataFrame | None) -> object:
    return records(table) if isinstance(table, pd.DataFrame) else plain(table)


def write_report(content: ReportContent, path: str | Path) -> Path:
    """Write the page to `path` and its JSON beside it (same name, suffix .json); each file appears whole or
    not at all.

    Returns the path of the page. Raises LakeError when the path itself ends in .json, OSError when it is not
    writable.
    """
    path = Path(path)
    if path.suffix == ".json":
        raise LakeError(
            f"report: '{path.name}' would be overwritten by the JSON written beside it; name an .html file"
        )
    page, numbers = (
        render_report(content),
        report_json(content),
    )  # both first: no half-written pair on an error
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path.with_suffix(".json"), numbers)
    _replace(path, page)
    return path


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(
            temporary, "x", encoding="utf-8", errors="replace", newline="\n"
        ) as stream:  # "x": the umask's permissions
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
