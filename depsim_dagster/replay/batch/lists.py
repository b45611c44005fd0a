"""What is looked for in a provider's lists of files and batches, newest first and page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Any

SUBMISSION = "depsim_submission"  # key of a batch's metadata
UNRUN = frozenset({"failed", "cancelling", "cancelled"})
# Lists are read back to so long before what is looked for was made, for clocks that differ.
CLOCK_DIFFERENCE_S = 86_400.0

# One page behind `after`, as the provider gives it; None when it has no such list.
Page = Callable[..., Awaitable[Mapping[str, Any] | None]]


async def found_files(page: Page, names: Collection[str], since: float) -> dict[str, str] | None:
    """name → id of the files of these names; None when there is no list."""
    found: dict[str, str] = {}
    async for entry in _entries(page, since):
        if entry is None:
            return None
        if entry.get("filename") in names:
            found.setdefault(entry["filename"], entry["id"])
            if len(found) == len(names):
                break
    return found


async def found_batches(page: Page, submissions: Mapping[str, str], since: float) -> dict[str, str] | None:
    """submission → batch id of these (submission → input file); None when there is no list.

    Of two batches of one submission, which a list that was behind can bring about, the one that is run counts.
    """
    found: dict[str, str] = {}
    unrun: set[str] = set()
    of_file = {file_id: submission for submission, file_id in submissions.items()}
    async for entry in _entries(page, since):
        if entry is None:
            return None
        metadata = entry.get("metadata")
        named = metadata.get(SUBMISSION) if isinstance(metadata, Mapping) else None
        if named is None and entry.get("status") != "failed":  # a server that keeps no metadata
            file_id = entry.get("input_file_id")
            named = of_file.get(file_id) if isinstance(file_id, str) else None
        if isinstance(named, str) and named in submissions and (named not in found or named in unrun):
            runs = entry.get("status") not in UNRUN
            if runs or named not in found:
                found[named] = entry["id"]
            (unrun.discard if runs else unrun.add)(named)
            if len(found) == len(submissions) and not unrun:
                break
    return found


async def _entries(page: Page, since: float) -> AsyncIterator[Mapping[str, Any] | None]:
    """The entries with an id, back to a moment; one None when there is no list."""
    at: dict[str, str] = {}
    seen: set[str] = set()
    while True:
        listed = await page(**at)
        if listed is None:
            yield None
            return
        data = listed.get("data")
        entries = [entry for entry in data if _has_id(entry)] if isinstance(data, list) else []
        for entry in entries:
            yield entry
        last = entries[-1]["id"] if entries else None
        # A server that pages in a circle is left, too.
        if last is None or last in seen or not listed.get("has_more") or any(_old(e, since) for e in entries):
            return
        at = {"after": last}
        seen.add(last)


def _has_id(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("id"), str)


def _old(entry: Mapping[str, Any], since: float) -> bool:
    made = entry.get("created_at")
    known = isinstance(made, (int, float)) and not isinstance(made, bool)
    return known and made < since - CLOCK_DIFFERENCE_S
