"""A target mix that a person wrote down: shares of the values of each covariate, as read from a CSV, JSON or YAML file.

What may be in it is checked here, with one error that names the file and the key; reading the file is not done here.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.shift.covariates import CLOSED, DIMENSIONS

Margins = Mapping[str, Mapping[str, float]]
CSV_COLUMNS = ("dimension", "value", "share")
# Shares that people round to whole per cents may be this far from 1 together.
ROUNDING = 0.02


def csv_document(text: str, file: str) -> dict[str, dict[str, Any]]:
    """The rows dimension, value, share of a CSV file as `checked_margins` takes them.

    Raises EstimationError: other columns, or a value named twice.
    """
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != CSV_COLUMNS:
        raise EstimationError(
            f"{file}: the columns of a target mix are {', '.join(CSV_COLUMNS)}, in this order."
        )
    document: dict[str, dict[str, Any]] = {}
    for row in reader:
        shares = document.setdefault(row["dimension"] or "", {})
        value = row["value"] or ""
        if value in shares:
            raise EstimationError(f"{file}, line {reader.line_num}: {row['dimension']}.{value}: given twice.")
        try:
            shares[value] = float(row["share"] or "")
        except ValueError:
            raise EstimationError(
                f"{file}, line {reader.line_num}: {row['dimension']}.{value}: a share is a number from 0 to 1."
            ) from None
    return document


def checked_margins(document: Any, by: Sequence[str], file: str) -> Margins:
    """Shares of each dimension of `by`, summing to 1, from a document {dimension: {value: share}}.

    Values that are not named have no part in the target. Raises EstimationError, with the file and the key: a dimension that
    is missing, unknown or not in `by`, a value outside a closed vocabulary, a share that is no number from 0 to 1, or
    shares that do not sum to 1.
    """
    if not isinstance(document, Mapping):
        raise EstimationError(f"{file}: a target mix is a mapping of dimension to value to share.")
    for name in document:
        if name not in by:
            known = f"add it to estimation.shift.by ({', '.join(by)}) or take it out"
            raise EstimationError(
                f"{file}: {name}: {known if name in DIMENSIONS else f'the dimensions are {list(DIMENSIONS)}'}."
            )
    return {name: _shares(document, name, file) for name in by}


def _shares(document: Mapping[Any, Any], name: str, file: str) -> dict[str, float]:
    given = document.get(name)
    if not isinstance(given, Mapping) or not given:
        raise EstimationError(
            f"{file}: {name}: give the share of each of its values, or take it out of estimation.shift.by."
        )
    shares = {}
    for value, share in given.items():
        if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
            raise EstimationError(f"{file}: {name}.{value}: a value is a text; put it in quotes.")
        if (
            isinstance(share, bool)
            or not isinstance(share, (int, float))
            or not (math.isfinite(share) and 0 <= share <= 1)
        ):
            raise EstimationError(f"{file}: {name}.{value}: a share is a number from 0 to 1.")
        if name in CLOSED and str(value) not in CLOSED[name]:
            raise EstimationError(f"{file}: {name}.{value}: the values are {list(CLOSED[name])}.")
        shares[str(value)] = float(share)
    total = math.fsum(shares.values())
    if abs(total - 1) > ROUNDING:
        raise EstimationError(f"{file}: {name}: its shares sum to {total:.4g}, not to 1.")
    return {value: share / total for value, share in shares.items()}
