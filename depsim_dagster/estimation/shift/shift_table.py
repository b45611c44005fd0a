"""From the covariates of two mixes of traffic to the weights between them: the rows of traffic_shift.

    turns of the forecast's weeks        -> sampled shares (by design weight)  \
    turns of the target, or margins      -> target shares                       -> post_stratify, or collapse + rake
                                                                                -> factors, diagnostics

Covariates only: nothing here sees an outcome, so a target may be traffic whose labels nobody may look at yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from depsim_dagster.estimation.inputs import EstimationError, require_columns
from depsim_dagster.estimation.shift.collapse import merged_values
from depsim_dagster.estimation.shift.covariates import (
    CELL_SEPARATOR,
    ORDERED,
    cell_names,
    covariate_values,
    ordered_dimensions,
)
from depsim_dagster.estimation.shift.diagnostics import effective_size, poor_support
from depsim_dagster.estimation.shift.margins import Margins
from depsim_dagster.estimation.shift.post_stratify import can_post_stratify, post_stratified_factors
from depsim_dagster.estimation.shift.rake import rake

TABLE_COLUMNS = (
    "dimension", "value", "weighted_as", "sampled_turns", "users", "sampled_share", "target_share", "target_users",
    "factor", "weighted_share", "method", "effective_n", "effective_users", "overlap", "trimmed_share", "trim", "warning",
)  # fmt: skip


@dataclass(frozen=True)
class _Sample:
    """values: categorical columns of the turns; weight: design weights of mean 1; user: numbers from 0."""

    values: pd.DataFrame
    weight: np.ndarray
    user: np.ndarray

    def counts(self, value: pd.Categorical) -> pd.DataFrame:
        """By value (one of each turn): sampled turns, users and share."""
        codes, size, users = value.codes.astype(np.int64), len(value.categories), self.user.max() + 1
        table = pd.DataFrame(
            {
                "sampled_turns": np.bincount(codes, minlength=size),
                "users": np.bincount(np.unique(codes * users + self.user) // users, minlength=size),
                "sampled_share": np.bincount(codes, weights=self.weight, minlength=size) / self.weight.sum(),
            },
            index=value.categories.astype(object),
        )
        return table[table["sampled_turns"] > 0]


def shift_table(
    sample: pd.DataFrame,
    target: pd.DataFrame | Margins,
    by: list[str],
    minimum: int = 20,
    trim: float = 8.0,
) -> pd.DataFrame:
    """The weights that give `sample` the mix of `target`: TABLE_COLUMNS, one row per dimension and value.

    sample, target: one row per prefix with `covariates.COVARIATE_COLUMNS` and `inclusion_probability`; `target` may be shares
    instead (dimension → value → share, each dimension summing to 1). by: dimensions (`covariates.DIMENSIONS`). minimum: turns
    that a cell or value needs; trim: the largest weight, as a multiple of the mean.

    Post-stratified where every cell of the target has `minimum` sampled turns (one dimension: the joined names). Raked
    otherwise, and from margins of more than one dimension; a value with fewer turns is merged with others first and
    shares their factor (`weighted_as`). The weight of a turn is the product of the factors of its values, at most `trim`
    (`reweighted.turn_weights`); `weighted_share` is each value's share with it.

    overlap: 1 less what the target has more of than the sample in values of which the sample has fewer than `minimum` turns,
    in the worst dimension, or less the cells that the target has `minimum` turns of and the sample none, whichever is more;
    1 where post-stratified.
    trimmed_share: of the target, what lay above `trim`. Both are fractions, as all shares; warning is null where all is well.

    Raises EstimationError: missing columns, a probability outside (0, 1], or an empty sample or target.
    """
    names = ordered_dimensions(by)
    drawn = _sample(sample, names, "sample")
    joined = cell_names(drawn.values)
    cells = drawn.counts(joined)
    unseen = 0.0
    if isinstance(target, Mapping):
        margins = {name: _given(target[name]) for name in names}
        cell_target = margins[names[0]] if len(names) == 1 else None
    else:
        aimed = _sample(target, names, "target")
        margins = {name: _as_target(aimed.counts(aimed.values[name].array)) for name in names}
        found = aimed.counts(cell_names(aimed.values))
        missed = (found["sampled_turns"] >= minimum) & ~found.index.isin(cells.index)
        unseen = float(found["sampled_share"][missed].sum())
        cell_target = _as_target(found)
    if cell_target is not None:
        table = _aligned(cells, cell_target)
        shares = table["sampled_share"].to_numpy(), table["target_share"].to_numpy()
        if can_post_stratify(table["sampled_turns"].to_numpy(), shares[1], minimum):
            dimension = CELL_SEPARATOR.join(names)
            table = table.assign(
                dimension=dimension, weighted_as=table.index, factor=post_stratified_factors(*shares)
            )
            return _finished(drawn, [table], {dimension: joined}, "post_stratified", 1.0, trim)
    return _raked(drawn, names, margins, unseen, minimum, trim)


def _raked(
    drawn: _Sample,
    names: list[str],
    margins: Mapping[str, pd.DataFrame],
    unseen: float,
    minimum: int,
    trim: float,
) -> pd.DataFrame:
    tables, groups, targets, overlap = [], [], [], 1.0
    for name in names:
        table = _aligned(drawn.counts(drawn.values[name].array), margins[name])
        order = [value for value in ORDERED.get(name, ()) if value in table.index]
        table = table.loc[order] if order else table
        turns = table["sampled_turns"].to_numpy()
        more = (table["target_share"] - table["sampled_share"]).to_numpy()
        overlap = min(overlap, 1.0 - float(np.maximum(more[turns < minimum], 0.0).sum()))
        group, called = merged_values(list(table.index), turns, minimum, bool(order))
        target = np.bincount(group, weights=table["target_share"], minlength=len(called))
        groups.append(_each(drawn.values[name].array, pd.Series(group, table.index)))
        targets.append(target)
        tables.append(
            table.assign(dimension=name, group=group, weighted_as=[called[number] for number in group])
        )
    # Cells of the groups, as numbers: raking works on as many as there are, not on every turn.
    sizes = [len(target) for target in targets]
    cells, cell = np.unique(np.ravel_multi_index(groups, sizes), return_inverse=True)
    codes = np.column_stack(np.unravel_index(cells, sizes))
    raking = rake(codes, np.bincount(cell, weights=drawn.weight), targets)
    rows = [
        table.assign(factor=factors[table["group"]])
        for table, factors in zip(tables, raking.factors, strict=True)
    ]
    notes = []
    if not raking.converged:
        notes.append(
            f"raking did not converge in {raking.rounds} rounds: a margin is still {raking.largest_gap:.2%} from its target"
        )
    values = {name: drawn.values[name].array for name in names}
    return _finished(drawn, rows, values, "raked", min(overlap, 1 - unseen), trim, notes)


def _finished(
    drawn: _Sample,
    rows: list[pd.DataFrame],
    values: Mapping[str, pd.Categorical],
    method: str,
    overlap: float,
    trim: float,
    notes: list[str] | None = None,
) -> pd.DataFrame:
    """The table with the shares under the trimmed weights, and its diagnostics. `values`: of each turn in each dimension."""
    product = np.ones(len(drawn.weight))
    for table, value in zip(rows, values.values(), strict=True):
        product *= _each(value, table["factor"])
    clipped = np.minimum(product, trim)
    whole = float((drawn.weight * product).sum())
    trimmed = float((drawn.weight * (product - clipped)).sum()) / whole if whole > 0 else 0.0
    weighted = _Sample(drawn.values, drawn.weight * clipped, drawn.user)
    before, after = (effective_size(sample.weight, drawn.user) for sample in (drawn, weighted))
    warnings = [*(notes or []), *poor_support(overlap, before, after, float(product.max()), trimmed)]
    tables = []
    for table, value in zip(rows, values.values(), strict=True):
        share = weighted.counts(value)["sampled_share"].reindex(table.index, fill_value=0.0)
        tables.append(table.assign(weighted_share=share).rename_axis("value").reset_index())
    return pd.concat(tables, ignore_index=True).assign(
        method=method,
        effective_n=after.turns,
        effective_users=after.users,
        overlap=min(max(overlap, 0.0), 1.0),
        trimmed_share=trimmed,
        trim=float(trim),
        warning="; ".join(warnings) or None,
    )[list(TABLE_COLUMNS)]


def _each(value: pd.Categorical, given: pd.Series) -> np.ndarray:
    """What `given` (indexed by value) has for each turn's value; every value that occurs is in it."""
    return given.reindex(value.categories, fill_value=0).to_numpy()[value.codes]


def _aligned(counts: pd.DataFrame, target: pd.DataFrame) -> pd.DataFrame:
    """`counts` of the sample with the target's columns, for every value of either."""
    table = counts.reindex(counts.index.union(target.index[target["target_share"] > 0]), fill_value=0)
    share = target["target_share"].reindex(table.index, fill_value=0.0)
    users = target["target_users"]
    return table.assign(
        target_share=share,
        target_users=users.reindex(table.index, fill_value=pd.NA if users.isna().all() else 0),
    )


def _as_target(counts: pd.DataFrame) -> pd.DataFrame:
    users = counts["users"].astype("Int64")
    return pd.DataFrame({"target_share": counts["sampled_share"], "target_users": users})


def _given(shares: Mapping[str, float]) -> pd.DataFrame:
    share = pd.Series(shares, dtype=float)
    return pd.DataFrame(
        {"target_share": share / share.sum(), "target_users": pd.Series(pd.NA, share.index, dtype="Int64")}
    )


def _sample(turns: pd.DataFrame, names: list[str], called: str) -> _Sample:
    require_columns(turns, ["inclusion_probability", "user_id"], called)
    probability = turns["inclusion_probability"].to_numpy(dtype=float, na_value=np.nan)
    bad = ~((probability > 0) & (probability <= 1))
    if bad.any():
        raise EstimationError(
            f"{called}.inclusion_probability: {int(bad.sum())} rows are null or outside (0, 1]; it is stored before the draw, so "
            "repair the partition of sampled_traffic."
        )
    if not len(turns):
        raise EstimationError(f"{called}: no turns; a mix of traffic needs at least one.")
    weight = 1.0 / probability
    user, _ = pd.factorize(turns["user_id"], use_na_sentinel=False)
    return _Sample(covariate_values(turns, names), weight / weight.mean(), user)
