"""What a detector's own entity name counts as here."""

from __future__ import annotations

from depsim_dagster.privacy.scoring.label_names import OUR_TYPES, our_type

# Every date, time and URL of a text: which of them are personal is the embedded detector's judgement, and a
# conversation in which all are replaced is another conversation. Nationality and religion identify nobody.
LEFT_ALONE = frozenset({"DATE_TIME", "DATE", "TIME", "URL", "NRP", "NORP"})


def found_type(label: str, otherwise: str | None = None) -> str | None:
    """Our type for an entity name; `otherwise` for a name without a match; None for one that is left alone."""
    if label.upper() in LEFT_ALONE:
        return None
    type_ = our_type(label)
    return type_ if type_ in OUR_TYPES else otherwise
