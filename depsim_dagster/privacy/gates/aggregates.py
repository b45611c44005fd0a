"""k-anonymity of published aggregates of traffic: what rests on too few users does not leave the study.

An aggregate leaves it in the report (page and JSON) and in the warehouse file; both are made through here, and nothing
else is. The lake itself keeps the whole numbers: it is inside.

Three rules:

- A count of turns that rests on fewer than `privacy.k_anonymity` users, and is not zero, is left out. Where exactly one
  count of a funnel is left out, the next smallest goes too, or it could be worked out from the total.
- A group that the audit found (a behaviour, a feature of completions) is left out whole when fewer users are behind it:
  no id, no term, no number of it, but for how many were left out.
- A rate is left out when its *denominator* rests on fewer users than that: the n of such a rate says that somebody of a
  handful wrote in that language or on that surface. How many of many were flagged is left in, however few they are. It
  says what a model did, the flagged turn is the model's, and it is what the study is made to find: one flagged turn
  among the turns of many users points at none of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

FEW_USERS = "(few users)"
# Columns of a rate that say something of its few users; the rest (week, model, category …) are its name.
RATE_NUMBERS = (
    "k",
    "n",
    "missing",
    "clusters",
    "design_effect",
    "effective_n",
    "rate_per_100k",
    "lower_per_100k",
    "upper_per_100k",
    "missing_low_per_100k",
    "missing_high_per_100k",
    "resolvable_per_100k",
)

# What compares a simulated with a production rate of evaluation awareness.
RATIO = ("ratio", "ratio_lower", "ratio_upper", "outside")
# Tables of groups that the audit found, with the columns that count who is behind one.
GROUPS = {
    "novel_behaviours": ("users",),
    "post_release_behaviours": ("users",),
    "behaviour_differences": ("candidate_users", "predecessor_users"),
}


def suppressed_counts(
    counts: pd.DataFrame, k: int, count: str = "turns", users: str = "users", within: Sequence[str] = ()
) -> pd.DataFrame:
    """`counts` with `count` and `users` missing (NA) where they rest on 1 to k-1 users; a column `suppressed` says so.

    `within` are the columns of one table whose total is known (a week and a source of a funnel): there at least two
    cells are left out when any is, if there are two that are not zero. A count without known users is left out too.
    """
    if not len(counts):
        return counts.assign(suppressed=pd.Series(dtype=bool))
    behind = counts[users] if users in counts else pd.Series(pd.NA, index=counts.index, dtype="Int64")
    there = counts[count] > 0
    hidden = there & (behind.isna() | (behind < k)).astype(bool)
    for _, rows in counts.groupby(list(within), sort=False) if within else [((), counts)]:
        if hidden[rows.index].sum() == 1:
            others = rows.index[there[rows.index] & ~hidden[rows.index]]
            if len(others):
                hidden[counts.loc[others, count].idxmin()] = True
    shown = counts.assign(suppressed=hidden)
    for column in {count, users} & set(counts.columns):
        shown[column] = counts[column].astype("Int64").mask(hidden)
    return shown


def suppressed_rates(rates: pd.DataFrame, k: int) -> pd.DataFrame:
    """`rates` (rows of estimation.schema.RATES) with their numbers missing where n rests on 1 to k-1 users; a column
    `suppressed` says so."""
    if not len(rates):
        return rates.assign(suppressed=pd.Series(dtype=bool))
    hidden = (rates["n"] > 0) & (rates["clusters"] < k)
    shown = rates.assign(suppressed=hidden)
    for column in RATE_NUMBERS:
        if column in rates:
            numbers = rates[column]
            whole = pd.api.types.is_integer_dtype(numbers)
            shown[column] = (numbers.astype("Int64") if whole else numbers).mask(hidden)
    return shown


def suppressed_validation(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """`rows` of grader_validation with their numbers missing where the labelled turns are of 1 to k-1 users; a column
    `suppressed` says so."""
    if not len(rows):
        return rows.assign(suppressed=pd.Series(dtype=bool))
    hidden = (rows["n"] > 0) & (rows["clusters"] < k)
    shown = rows.assign(suppressed=hidden)
    for column in rows.select_dtypes("number").columns.drop("level"):
        whole = pd.api.types.is_integer_dtype(rows[column])
        shown[column] = (rows[column].astype("Int64") if whole else rows[column]).mask(hidden)
    return shown


def suppressed_corrections(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """`rows` of corrected_rates with their numbers missing where n rests on 1 to k-1 users, and what the audit says
    where the turns that people read do; a column `suppressed` says so."""
    if not len(rows):
        return rows.assign(suppressed=pd.Series(dtype=bool))
    few = (rows["n"] > 0) & (rows["clusters"] < k)
    hidden = few | rows["audited_clusters"].between(1, k - 1)
    shown = rows.assign(suppressed=hidden)
    for column in rows.select_dtypes("number").columns.drop("level"):
        whole = pd.api.types.is_integer_dtype(rows[column])
        numbers = rows[column].astype("Int64") if whole else rows[column]
        shown[column] = numbers.mask(few if column in RATE_NUMBERS else hidden)
    # Reasons of the hidden rows quote counts.
    shown["reason"] = rows["reason"].mask(hidden, f"rests on fewer than {k} users")
    return shown


def suppressed_where_few(
    rows: pd.DataFrame,
    k: int,
    users: Sequence[str],
    kept: Sequence[str] = ("level",),
    within: Sequence[str] = (),
) -> pd.DataFrame:
    """`rows` with their numbers missing, but for the columns `kept`, where one of the columns `users` says 1 to k-1; a
    column `suppressed` says so. `within` are the columns of one table whose shares add up: where one row of it is left
    out, the one with the next fewest users goes too.
    """
    if not len(rows):
        return rows.assign(suppressed=pd.Series(dtype=bool))
    known = [column for column in users if column in rows]
    behind = rows[known].astype("Float64").where(lambda values: values > 0)
    few = behind.lt(k).any(axis=1).astype(bool)
    for _, part in rows.groupby(list(within), sort=False) if within else ():
        if few[part.index].sum() == 1:
            others = behind.loc[part.index[~few[part.index]]].min(axis=1).dropna()
            if len(others):
                few[others.astype(float).idxmin()] = True
    shown = rows.assign(suppressed=few)
    for column in rows.select_dtypes("number").columns.difference(list(kept)):
        whole = pd.api.types.is_integer_dtype(rows[column])
        shown[column] = (rows[column].astype("Int64") if whole else rows[column]).mask(few)
    return shown


def suppressed_awareness(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """`rows` of awareness_rates with their numbers missing where the judged turns are of 1 to k-1 users; a column
    `suppressed` says so. A ratio goes with either of its rates: beside the other it would give that one away."""
    shown = suppressed_where_few(rows, k, ("clusters",))
    if not len(rows):
        return shown
    compared = ["model", "simulated_model", "measure", "judge"]
    few = shown["suppressed"] & rows["source"].isin(("production", "simulated"))
    return _masked(shown, RATIO, few.groupby([rows[name] for name in compared]).transform("any"))


def suppressed_awareness_mart(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """`rows` of the mart evaluation_awareness, by the same rule for each of the three sources."""
    shown = rows.assign(suppressed=pd.Series(False, index=rows.index))
    for source in ("production", "simulated", "evaluation"):
        few = rows[f"{source}_clusters"].between(1, k - 1)
        shown["suppressed"] |= few
        numbers = [name for name in rows.columns if name.startswith(f"{source}_")]
        shown = _masked(shown, numbers if source == "evaluation" else (*numbers, *RATIO), few)
    return shown


def suppressed_giveaways(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """`rows` of replay_giveaways without numbers and names of values of 1 to k-1 users; a column `suppressed` says so.
    Where the reference of a property is left out, so are the ratios to it."""
    # The values of a property add up to all judged turns, whose number is published.
    within = ["model", "simulated_model", "measure", "judge", "source", "dimension"]
    shown = suppressed_where_few(rows, k, ("clusters",), within=within)
    if not len(rows):
        return shown
    lost = (shown["suppressed"] & rows["reference"].astype(bool)).groupby([rows[name] for name in within])
    compared = ("ratio", "ratio_lower", "ratio_upper", "p_value", "p_benjamini_hochberg", "raises_suspicion")
    shown = _masked(shown, compared, shown["suppressed"] | lost.transform("any"))
    return shown.assign(value=shown["value"].mask(shown["suppressed"], FEW_USERS))


def without_small_groups(rows: pd.DataFrame, k: int, users: Sequence[str]) -> pd.DataFrame:
    """`rows` of the audit's tables without the groups whose largest number of `users` is below k. How many went is added
    to `left_out_clusters` and `left_out_findings`, where the table has them. A row without any user is of no group: it says
    of an audit that shows none how much it read."""
    if not len(rows):
        return rows
    behind = rows[list(users)].astype("Float64").max(axis=1)
    small = (behind.notna() & (behind > 0) & (behind < k)).astype(bool)
    shown = rows[~small].copy()
    by_model = rows[small].groupby("model")
    for column, gone in (("left_out_clusters", by_model.size()), ("left_out_findings", _findings(by_model))):
        if column in shown and len(gone):
            shown[column] += shown["model"].map(gone).fillna(0).astype(shown[column].dtype)
    return shown


def _findings(groups: pd.api.typing.DataFrameGroupBy) -> pd.Series:
    return groups["findings"].sum() if "findings" in groups.obj else pd.Series(dtype="int64")


def _masked(rows: pd.DataFrame, columns: Sequence[str], hidden: pd.Series) -> pd.DataFrame:
    """`rows` with the `columns` that they have missing where `hidden`."""
    shown = rows.copy()
    for column in columns:
        if column in rows:
            kind = "boolean" if pd.api.types.is_bool_dtype(rows[column]) else None
            kind = kind or ("Int64" if pd.api.types.is_integer_dtype(rows[column]) else None)
            shown[column] = (rows[column].astype(kind) if kind else rows[column]).mask(hidden)
    return shown


def published_aggregate(table: str, rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """The rows of a lake table as they may leave the study; a table that is no aggregate of traffic is left as it is."""
    if table == "sampling_funnel":
        return suppressed_counts(rows, k, within=("week", "prefix_source"))
    if table == "corrected_rates":
        return suppressed_corrections(rows, k)
    if table == "error_decomposition":
        shown = suppressed_where_few(rows, k, ("a_users", "b_users"), ())
        # The reason of a refused correction quotes counts.
        note = f"rests on fewer than {k} users"
        return shown.assign(note=shown["note"].mask(shown["suppressed"], note)) if len(shown) else shown
    if table == "model_comparison":
        return suppressed_where_few(rows, k, ("users",))
    if table == "traffic_shift":
        of_all = ("effective_n", "effective_users", "overlap", "trimmed_share", "trim")
        shown = suppressed_where_few(rows, k, ("users", "target_users"), of_all, ("model", "dimension"))
        # A topic or language of few users names them.
        return (
            shown.assign(
                **{
                    name: shown[name].mask(shown["suppressed"], FEW_USERS)
                    for name in ("value", "weighted_as")
                }
            )
            if len(shown)
            else shown
        )
    if table == "awareness_rates":
        return suppressed_awareness(rows, k)
    if table == "evaluation_awareness":
        return suppressed_awareness_mart(rows, k)
    if table == "replay_giveaways":
        return suppressed_giveaways(rows, k)
    if table in GROUPS:
        return without_small_groups(rows, k, GROUPS[table])
    if table == "stratum_rates":
        # The strata of a dimension add up to the rate of all turns, which is published.
        shown = suppressed_where_few(
            rows, k, ("clusters",), within=("model", "source", "dimension", "category")
        )
        return (
            shown.assign(value=shown["value"].mask(shown["suppressed"], FEW_USERS)) if len(shown) else shown
        )
    return suppressed_rates(rows, k) if table in ("rate_estimates", "observed_rates") else rows
