"""The covariates by which two mixes of traffic are compared, as a few named values of each prefix.

Bands are fixed and not quantiles: a quantile is another length in another week, and two mixes could not be compared. What is
not here: outcomes. Of this package only `reweighted` sees them, when the weights are made.
"""

import numpy as np
import pandas as pd

from depsim_dagster.estimation.inputs import EstimationError, require_columns

# The order of a cell's name; the topic is last because its values are the only ones that may hold the separator.
DIMENSIONS = ("language", "length", "turn_position", "tools", "user_activity", "topic")
# A question, a paragraph, a page or two, and what was pasted or has grown over many turns. Each is about five times the last,
# because what a prefix asks for changes with the order of its length.
LENGTHS = (("<200", 200), ("200-999", 1_000), ("1000-3999", 4_000), ("4000+", None))
# The opening turn has nothing behind it; from the fourth on, most of a prefix is what the models said.
TURN_POSITIONS = (("first", 1), ("2-3", 3), ("4+", None))
# Turns of the user in the week's sample. They depend on how large the sample is: compare weeks that were sampled alike.
USER_ACTIVITIES = (("1", 2), ("2-4", 5), ("5+", None))
TOOLS = ("none", "offered")
UNKNOWN = "unknown"
# Values that lie in an order, so that a rare one joins its neighbour.
ORDERED = {
    "length": tuple(name for name, _ in LENGTHS),
    "turn_position": tuple(name for name, _ in TURN_POSITIONS),
    "user_activity": tuple(name for name, _ in USER_ACTIVITIES),
}
CLOSED = {**ORDERED, "tools": TOOLS}
# Columns of a label or a prefix that the covariates are made of.
COVARIATE_COLUMNS = (
    "week", "turn_id", "user_id", "language", "prefix_characters", "turn_index", "tools_offered", "topic",
)  # fmt: skip
CELL_SEPARATOR = " / "


def ordered_dimensions(by: list[str]) -> list[str]:
    """`by` in the order of DIMENSIONS. Raises EstimationError for an unknown one, or none."""
    unknown = [name for name in by if name not in DIMENSIONS]
    if unknown or not by:
        raise EstimationError(f"by={list(by)}: name one or more of {list(DIMENSIONS)}.")
    return [name for name in DIMENSIONS if name in by]


def covariate_values(turns: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One categorical column for each dimension of `by`, in the order of DIMENSIONS, and the index of `turns`.

    turns: one row per prefix with COVARIATE_COLUMNS: `language` and `topic` as text or null, `prefix_characters` (the
    prefix's text), `turn_index` from 0, `tools_offered`, and `week` and `user_id` for the activity of a user. What is null
    is `unknown`.
    """
    needed = {
        "language": ["language"],
        "length": ["prefix_characters"],
        "turn_position": ["turn_index"],
        "tools": ["tools_offered"],
        "user_activity": ["week", "user_id"],
        "topic": ["topic"],
    }
    names = ordered_dimensions(by)
    require_columns(turns, [column for name in names for column in needed[name]], "turns")
    made = {
        "language": lambda: _named(turns["language"]),
        "length": lambda: banded(turns["prefix_characters"], LENGTHS),
        "turn_position": lambda: banded(turns["turn_index"], TURN_POSITIONS),
        "tools": lambda: pd.Categorical.from_codes(turns["tools_offered"].to_numpy(dtype=np.int8), TOOLS),
        "user_activity": lambda: banded(_turns_of_user(turns), USER_ACTIVITIES),
        "topic": lambda: _named(turns["topic"]),
    }
    return pd.DataFrame({name: made[name]() for name in names}, index=turns.index)


def cell_names(values: pd.DataFrame) -> pd.Categorical:
    """The cell of every row: its values (categorical columns) in their order, joined; a name that no other cell has."""
    codes = np.zeros(len(values), dtype=np.int64)
    for column in values:
        codes = codes * max(len(values[column].cat.categories), 1) + values[column].cat.codes.to_numpy()
    cell, first = np.unique(codes, return_index=True)
    found = values.iloc[first].astype(str)
    names = found.iloc[:, 0].str.cat([found[column] for column in found.columns[1:]], sep=CELL_SEPARATOR)
    return pd.Categorical.from_codes(np.searchsorted(cell, codes), names.tolist())


def _named(values: pd.Series) -> pd.Categorical:
    return pd.Categorical(values.astype("object").where(values.notna(), UNKNOWN))


def banded(numbers: pd.Series, bands: tuple[tuple[str, int | None], ...]) -> pd.Categorical:
    """The band of each number, in order. `bands`: each with the number from which the next begins, the last with none."""
    edges = [edge for _, edge in bands if edge is not None]
    codes = np.digitize(numbers.to_numpy(dtype=float), edges)
    return pd.Categorical.from_codes(codes, [name for name, _ in bands], ordered=True)


def _turns_of_user(turns: pd.DataFrame) -> pd.Series:
    return turns.groupby(["week", "user_id"], sort=False, observed=True)["week"].transform("size")
