"""One study as one self-contained HTML page, with the same numbers as JSON beside it.

It summarises and formats tables that are already scored; it computes no interval, score or forecast (that is
`estimation`), and it reads no lake (that is `assets`). Everything that comes from data, names of categories
and models included, is treated as hostile text.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import statistics
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from depsim_dagster.errors import LakeError

SCHEMA_VERSION = "1"
SANDBOX_LABEL = "SANDBOX: synthetic traffic, models and outcomes. Not a measurement of any real model."
SANDBOX_SHORT = "SANDBOX: synthetic data"
GROUP_TITLES = {"disallowed_content": "Disallowed content", "misalignment": "Misalignment"}
ABSENT = "–"
RISE = 1.5  # METHOD.md: a production rate "moved" from 1.5x on
MINIMUM_EVENTS = (
    10  # the contract's bar for `comparable`; used here only to keep noise out of the lists of rises
)
FLAGS = {
    "comparable",
    "moved",
    "direction_correct",
    "observed_in_prediction",
    "sandbox",
}  # null-able booleans
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContent:
    """Everything that the page shows. An empty table or mapping means "absent" and is said so on the page.

    calibration: `post_release_calibration` rows of all candidates; forecasts: `registered_forecasts` rows (a
    candidate without calibration rows is shown as sealed, not yet observed); rates_by_week: `rate_estimates`
    and `observed_rates` rows together; funnel: week, rule, turns, order, where the turns that each rule
    excluded and those that are left add up to the traffic; marts: name to any table; data_quality: missing
    outcomes as {status: count} or as any table; gates: mappings with week, suite, success, suite_version.
    """

    study: str
    generated_at: datetime
    sandbox: bool
    calibration: pd.DataFrame = field(default_factory=pd.DataFrame)
    forecasts: pd.DataFrame = field(default_factory=pd.DataFrame)
    rates_by_week: pd.DataFrame = field(default_factory=pd.DataFrame)
    funnel: pd.DataFrame = field(default_factory=pd.DataFrame)
    marts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    measurement_stack: Mapping[str, object] = field(default_factory=dict)
    data_quality: Mapping[str, object] | pd.DataFrame = field(default_factory=dict)
    gates: Sequence[Mapping[str, object]] = ()

    @property
    def shows_sandbox(self) -> bool:
        """True when the flag is set or any row says so: a forgotten flag must not drop the label."""
        frames = (self.calibration, self.forecasts, self.rates_by_week)
        return self.sandbox or any(row.get("sandbox") is True for frame in frames for row in records(frame))


@dataclass(frozen=True)
class Verdict:
    """How one candidate's forecast did. Errors (SME, a factor >= 1) are over the comparable categories only;
    None = no data.
    """

    model: str
    deployment: str
    kind: str
    observed: bool
    categories: int
    comparable: int
    median_sme: float | None
    noise_floor_median: float | None
    baseline_median_sme: float | None
    p90_sme: float | None
    worst_sme: float | None
    worst_category: str | None
    above_noise: int
    above_noise_of: int
    directions_right: int
    directions_called: int
    movers_right: int
    movers_called: int
    paired_right: int
    paired_called: int
    inside: int
    inside_of: int
    rises: tuple[Row, ...]


# --- plain values --------------------------------


def plain(value: Any) -> Any:
    """A table cell as a JSON value: NaN, infinity, NA and NaT become None; times become ISO text, arrays
    lists.
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        value = value.tolist()  # numpy scalars and arrays
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bool, int, str)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def records(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table as dictionaries of plain values. Whole-number counts that a null turned to float
    are ints.
    """
    rows = [{str(key): plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
    for row in rows:
        for key, value in row.items():
            if (
                isinstance(value, float)
                and value.is_integer()
                and key.split("_")[-1] in {"k", "n", "missing", "turns"}
            ):
                row[key] = int(value)
            elif key in FLAGS and value is not None:
                row[key] = bool(value)  # a null in the column may have made 1.0 of true
    return rows


def visible(value: object) -> str:
    """Text without control and direction-changing characters, which can hide or reorder words."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"} and c not in "\n\t"
        else c
        for c in str(value)
    )


# --- numbers as text --------------------------------


def number_text(value: float | None) -> str:
    """About three significant digits, thousands separated; an en dash for "no value"."""
    if value is None:
        return ABSENT
    size = abs(value)
    if size == 0 or size >= 99.95:
        return f"{value:,.0f}"
    small = min(12, 1 - math.floor(math.log10(size)))  # two significant digits below 1
    return f"{value:.{1 if size >= 9.995 else 2 if size >= 0.9995 else small}f}"


def count_text(value: float | None) -> str:
    """A number of events or turns, whole where it is whole."""
    return ABSENT if value is None else f"{value:,.0f}" if float(value).is_integer() else number_text(value)


def times_text(value: float | None) -> str:
    """A factor such as an SME or a ratio: 1.42×."""
    if value is None:
        return ABSENT
    return f"{value:,.{0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.095 else 3}f}×"


def rate_cell(row: Row, prefix: str) -> dict[str, str]:
    """The rate `<prefix>_per_100k` for reading: text, interval and count.

    Zero events are "below X": X is the interval's upper limit, or 3/N (-ln 0.05 / n, ESTIMATION.md) for a
    predecessor, which the tables give without an interval. Without n there was no observation.
    """
    k, n = row.get(f"{prefix}_k"), row.get(f"{prefix}_n")
    rate, lower, upper = (row.get(f"{prefix}{part}_per_100k") for part in ("", "_lower", "_upper"))
    if not n:
        return {"text": "no data", "interval": "", "count": ""}
    count = f"{k if k is not None else '?'}/{n:,}" if not isinstance(k, int) else f"{k:,}/{n:,}"
    if not k:
        bound = upper if upper else zero_bound(n)
        return {"text": f"below {number_text(bound)}", "interval": "", "count": count}
    interval = f"{number_text(lower)}–{number_text(upper)}" if lower is not None and upper is not None else ""
    return {"text": number_text(rate), "interval": interval, "count": count}


def zero_bound(n: int) -> float:
    """The 95 % upper bound per 100,000 on a rate with no event in n turns: -ln(0.05)/n, "3/N"."""
    return -math.log(0.05) / n * 100_000


def generic_cell(row: Row, column: str) -> str:
    """Any table's cell as text; a zero rate per 100k is shown through the row's upper limit, never as 0."""
    value = row.get(column)
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "✓ yes" if value else "✗ no"
    if column.endswith("per_100k") and value == 0 and not {"lower", "upper"} & set(column.split("_")):
        upper = row.get(f"{column.removesuffix('per_100k')}upper_per_100k")
        return f"below {number_text(upper)}" if upper else "none observed"
    if column.endswith("_hash") and len(str(value)) > 16:
        return f"{str(value)[:12]}…"  # whole in the section on the stack and in the JSON
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or ABSENT
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else str(value)


def direction_text(row: Row) -> str:
    """Whether the called direction of change was right, in words."""
    if row.get("direction_correct") is not None:
        return "✓ right" if row["direction_correct"] else "✗ wrong"
    if row.get("forecast_direction") == 0:
        return "no call"
    return "no change" if row.get("observed_direction") == 0 else ABSENT


def arrow_text(direction: int | None, zero: str = "none") -> str:
    """A sign of change in words."""
    return {1: "▲ rise", -1: "▼ fall", 0: zero}.get(direction, ABSENT)


# --- verdict --------------------------------


def candidates(content: ReportContent) -> dict[str, list[Row]]:
    """Rows per candidate, in release order. Candidates that are only sealed get calibration-like rows without
    outcome.

    Raises LakeError when a table has rows but no model or category column.
    """
    for name, frame in (("calibration", content.calibration), ("forecasts", content.forecasts)):
        missing = {"model", "category"} - set(map(str, frame.columns))
        if len(frame) and missing:
            raise LakeError(
                f"report: table '{name}' has no column {sorted(missing)}; pass the published table unchanged"
            )
    groups: dict[str, list[Row]] = {}
    for row in records(content.calibration):
        groups.setdefault(str(row["model"]), []).append(row)
    released, sealed_only = {}, {}
    for row in records(content.forecasts):
        model = str(row["model"])
        released[model] = str(row.get("released_at") or "")
        if model not in groups:
            sealed_only.setdefault(model, []).append(_unobserved(row))
    groups |= sealed_only
    return {
        model: groups[model]
        for model in sorted(groups, key=lambda m: (m not in released, released.get(m, ""), m))
    }


def _unobserved(row: Row) -> Row:
    named = {
        "k": "forecast_k",
        "n": "forecast_n",
        "rate_per_100k": "forecast_per_100k",
        "lower_per_100k": "forecast_lower_per_100k",
        "upper_per_100k": "forecast_upper_per_100k",
    }
    return {named.get(key, key.replace("_rate_per_100k", "_per_100k")): value for key, value in row.items()}


def verdict(rows: Sequence[Row]) -> Verdict:
    """Summarise one candidate's rows. Medians and the 90th percentile (linear interpolation) are over
    comparable categories.
    """
    first = rows[0]
    comparable = [row for row in rows if row.get("comparable") and row.get("sme") is not None]
    worst = max(comparable, key=lambda row: row["sme"], default={})
    floored = [row for row in comparable if row.get("sme_noise_floor_p90") is not None]
    called = [row for row in rows if row.get("direction_correct") is not None]
    movers = [row for row in called if row.get("moved")]
    paired = [row for row in rows if row.get("paired_direction") and row.get("observed_direction")]
    judged = [row for row in rows if row.get("observed_in_prediction") is not None]
    observed = any(row.get("observed_n") for row in rows)
    return Verdict(
        model=str(first["model"]),
        deployment=str(first.get("deployment") or ABSENT),
        kind=" and ".join(sorted({str(row["kind"]) for row in rows if row.get("kind")}))
        or "kind not recorded",
        observed=observed,
        categories=len(rows),
        comparable=len(comparable),
        median_sme=_median(row["sme"] for row in comparable),
        noise_floor_median=_median(row.get("sme_noise_floor_median") for row in comparable),
        baseline_median_sme=_median(row.get("baseline_sme") for row in comparable),
        p90_sme=_quantile([row["sme"] for row in comparable], 0.9),
        worst_sme=worst.get("sme"),
        worst_category=worst.get("category"),
        above_noise=sum(row["sme"] > row["sme_noise_floor_p90"] for row in floored),
        above_noise_of=len(floored),
        directions_right=sum(row["direction_correct"] for row in called),
        directions_called=len(called),
        movers_right=sum(row["direction_correct"] for row in movers),
        movers_called=len(movers),
        paired_right=sum(row["paired_direction"] == row["observed_direction"] for row in paired),
        paired_called=len(paired),
        inside=sum(row["observed_in_prediction"] for row in judged),
        inside_of=len(judged),
        rises=tuple(biggest_rises(rows, observed)),
    )


def biggest_rises(rows: Sequence[Row], observed: bool, limit: int = 3) -> list[Row]:
    """The largest increases of >= 1.5x on >= 10 events: production rate after release against the
    predecessor's, or, before there is an outcome, X→Y against Y→Y on the same prefixes (Jeffreys-smoothed,
    METHOD.md).
    """
    found = []
    for row in rows:
        left, right = ("observed", "predecessor_production") if observed else ("forecast", "predecessor_sim")
        k_new, n_new, k_old, n_old = (row.get(f"{side}_{part}") for side in (left, right) for part in "kn")
        if None in (k_new, k_old) or not n_new or not n_old or k_new + k_old < MINIMUM_EVENTS:
            continue
        ratio = (
            row.get("observed_ratio")
            if observed
            else ((k_new + 0.5) / (n_new + 1)) / ((k_old + 0.5) / (n_old + 1))
        )
        if ratio is not None and ratio >= RISE:
            found.append(
                {
                    "category": row["category"],
                    "ratio": ratio,
                    "before": rate_cell(row, right)["text"],
                    "after": rate_cell(row, left)["text"],
                    "forecast": rate_cell(row, "forecast")["text"],
                }
            )
    return sorted(found, key=lambda rise: (-rise["ratio"], str(rise["category"])))[:limit]


def _median(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None


def _quantile(values: list[float], q: float) -> float | None:
    if not values:
        return None
    ordered, position = sorted(values), q * (len(values) - 1)
    low = math.floor(position)
    return ordered[low] + (position - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


# --- page --------------------------------


def render_report(content: ReportContent) -> str:
    """The page as HTML text: no script, no reference outside the file, same text for the same content.

    Raises LakeError for a table without model or category column.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from depsim_dagster.report import plots

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: (
            value if isinstance(value, (Markup, int)) else ABSENT if value is None else visible(value)
        ),
    )
    source = resources.files("depsim_dagster.report").joinpath("template.html.j2").read_text(encoding="utf-8")
    sandbox = content.shows_sandbox
    groups, weekly = candidates(content), records(content.rates_by_week)
    sections = [_section(index, rows, sandbox) for index, rows in enumerate(groups.values(), start=1)]
    levels = {row["level"] for row in records(content.forecasts) if row.get("level") is not None}
    verdicts = [section["verdict"] for section in sections]
    strip = {
        v.model: rows for v, rows in zip(verdicts, groups.values(), strict=True) if v.median_sme is not None
    }
    return environment.from_string(source).render(
        content=content,
        sandbox=sandbox,
        label=SANDBOX_LABEL,
        short=SANDBOX_SHORT,
        sections=sections,
        generated=_utc(content.generated_at),
        palette=plots.PALETTE,
        level=f"{100 * levels.pop():.4g} %" if len(levels) == 1 else "",
        strip=Markup(plots.sme_strip(strip, figure_id="fig-strip", label=SANDBOX_SHORT if sandbox else ""))
        if strip
        else "",
        trend=Markup(
            plots.weekly_trend(weekly, figure_id="fig-trend", label=SANDBOX_SHORT if sandbox else "")
        )
        if len({row.get("week") for row in weekly}) >= 3
        else "",
        funnel=_funnel(content.funnel),
        marts=[_table(str(n).replace("_", " "), f) for n, f in content.marts.items()],
        quality=_quality(content.data_quality),
        gates=[plain(gate) for gate in content.gates],
        stack=[
            (str(key), generic_cell({"v": plain(value)}, "v"))
            for key, value in content.measurement_stack.items()
        ],
        seals=_seals(content),
        mixed_stacks=sorted(_hashes(content, "stack_hash")),
        rate=number_text,
        count=count_text,
        times=times_text,
        arrow=arrow_text,
    )


def _section(index: int, rows: list[Row], sandbox: bool) -> Row:
    """What the template needs for one candidate; ids come from the index because names may hold anything."""
    from markupsafe import Markup

    from depsim_dagster.report import plots

    found = verdict(rows)
    parts = [SANDBOX_SHORT] * sandbox + ["retrospective"] * ("retrospective" in found.kind)
    draw = partial(dict, label=" · ".join(parts))
    by_group: dict[str, list[Row]] = {}
    for row in rows:
        shown = row | {
            "forecast": rate_cell(row, "forecast"),
            "observed": rate_cell(row, "observed"),
            "production": rate_cell(row, "predecessor_production"),
            "simulated": rate_cell(row, "predecessor_sim"),
            "direction": direction_text(row),
            "few": row.get("sme") is not None and not row.get("comparable"),
            "above": None not in (row.get("sme"), row.get("sme_noise_floor_p90"))
            and row["sme"] > row["sme_noise_floor_p90"],
        }
        group = str(row.get("category_group") or "other")
        by_group.setdefault(GROUP_TITLES.get(group, group), []).append(_Missing(shown))
    turns = sorted(
        (row for group in by_group.values() for row in group),
        key=lambda row: (not row["moved"], -(row["observed_ratio"] or 0)),
    )
    return {
        "id": f"candidate-{index}",
        "verdict": found,
        "groups": by_group,
        "turns": turns,
        "calibration": Markup(plots.calibration(rows, **draw(figure_id=f"fig-calibration-{index}")))
        if found.observed
        else "",
        "forest": Markup(plots.forest(rows, **draw(figure_id=f"fig-forest-{index}"))),
    }


class _Missing(dict):
    """A row whose absent columns read as None, so that an older table still renders under StrictUndefined."""

    def __missing__(self, key: str) -> None:
        return None


def _utc(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _time(value: object) -> pd.Timestamp:
    return pd.to_datetime(
        value, utc=True, errors="coerce"
    )  # NaT compares as False: an unreadable time proves nothing


def _table(title: str, frame: pd.DataFrame) -> Row:
    rows, columns = records(frame), [str(column) for column in frame.columns]
    numeric = [
        all(isinstance(row[c], (int, float, type(None))) and not isinstance(row[c], bool) for row in rows)
        for c in columns
    ]
    cells = [[generic_cell(row, column) for column in columns] for row in rows]
    return {
        "title": title,
        "columns": [(c.replace("_", " "), n) for c, n in zip(columns, numeric, strict=True)],
        "rows": cells,
    }


def _quality(quality: Mapping[str, object] | pd.DataFrame) -> Row | None:
    if not isinstance(quality, pd.DataFrame):
        quality = pd.DataFrame({"status": list(quality), "outcomes": list(quality.values())})
    return _table("Outcomes by status", quality) if len(quality) else None


def _funnel(frame: pd.DataFrame) -> Row | None:
    """Turns that each rule took (the last rows: what is left), with the share of all, and each week's."""
    rows = records(frame)
    if not rows:
        return None
    order: dict[str, tuple] = {}
    weeks = sorted({str(row["week"]) for row in rows})
    counts: dict[str, dict[str, int]] = {}
    for position, row in enumerate(rows):
        rule, step = str(row["rule"]), row.get("order")
        order.setdefault(rule, (step is None, step if step is not None else position))
        week = counts.setdefault(rule, {})
        week[str(row["week"])] = week.get(str(row["week"]), 0) + (row.get("turns") or 0)
    rules = sorted(counts, key=lambda rule: order[rule])
    every = sum(sum(week.values()) for week in counts.values())
    return {
        "weeks": weeks,
        "rules": [
            {
                "rule": rule,
                "total": sum(counts[rule].values()),
                "share": sum(counts[rule].values()) / every if every else None,
                "by_week": {week: counts[rule].get(week) for week in weeks},
            }
            for rule in rules
        ],
    }


def _hashes(content: ReportContent, column: str) -> set[str]:
    return {
        str(row[column])
        for frame in (content.calibration, content.forecasts)
        for row in records(frame)
        if row.get(column)
    }


def _seals(content: ReportContent) -> list[Row]:
    """One entry per sealed forecast, with whether the calibration was scored against that very seal."""
    scored: dict[str, set[str]] = {}
    for row in records(content.calibration):
        scored.setdefault(str(row["model"]), set()).add(str(row.get("forecast_hash")))
    seals: dict[tuple[str, str], Row] = {}
    for row in records(content.forecasts):
        key = (str(row["model"]), str(row.get("forecast_hash")))
        seal = seals.setdefault(
            key,
            {
                c: row.get(c)
                for c in (
                    "model",
                    "deployment",
                    "kind",
                    "forecast_weeks",
                    "released_at",
                    "sealed_at",
                    "tau",
                    "level",
                    "stack_hash",
                    "labels_hash",
                    "previous_hash",
                    "forecast_hash",
                )
            }
            | {"categories": 0},
        )
        seal["categories"] += 1
    for (model, forecast_hash), seal in seals.items():
        seal["scored"] = (
            "not scored yet"
            if model not in scored
            else (
                "✓ the scores above are against this seal"
                if forecast_hash in scored[model]
                else "✗ the scores above name another forecast hash"
            )
        )
        sealed, released = seal["sealed_at"], seal["released_at"]
        seal["early"] = None if not sealed or not released else bool(_time(sealed) < _time(released))
    return list(seals.values())


# --- files --------------------------------


def report_json(content: ReportContent) -> str:
    """The page's numbers as strict JSON (NaN becomes null), keys sorted, rows in table order."""
    quality = content.data_quality
    document = {
        "schema_version": SCHEMA_VERSION,
        "study": content.study,
        "generated_at": _utc(content.generated_at),
        "sandbox": content.shows_sandbox,
        "label": SANDBOX_LABEL if content.shows_sandbox else None,
        "verdicts": [plain(asdict(verdict(rows))) for rows in candidates(content).values()],
        "calibration": records(content.calibration),
        "forecasts": records(content.forecasts),
        "rates_by_week": records(content.rates_by_week),
        "funnel": records(content.funnel),
        "marts": {str(name): records(frame) for name, frame in content.marts.items()},
        "measurement_stack": plain(content.measurement_stack),
        "data_quality": records(quality) if isinstance(quality, pd.DataFrame) else plain(quality),
        "gates": [plain(gate) for gate in content.gates],
    }
    return json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


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
