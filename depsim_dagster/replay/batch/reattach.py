"""What became of the files and batches that a killed run had announced: found at the provider, or known not to be there.

An upload and the creation of a batch are announced by name in the record first, so both are found by it afterwards. A
server that does not list its batches leaves open whether the one that was being created is there: it is created again,
which is said in the log. No other calls can be run twice.
"""

from __future__ import annotations

import logging
import time

from depsim_dagster.replay.batch.provider import Provider
from depsim_dagster.replay.batch.records import DONE, LOST, SUBMITTED, UPLOADED, UPLOADING, Record, Records

log = logging.getLogger(__name__)

# A request that was under way when the process died may be obeyed, and its result be listed, a moment later.
RECENT_S = 60.0


async def reattach(provider: Provider, records: Records) -> list[Record]:
    """The records to go on with, each in the state that the provider confirms. Their calls are open."""
    found = records.all()
    # Not those whose upload is found only now: no batch of theirs was ever asked for.
    await _find_batches(provider, records, [record for record in found if record.state == UPLOADED])
    await find_uploads(provider, records, found)
    for record in found:
        if record.state in (UPLOADING, UPLOADED) and not record.sent and not record.waiting:
            record.rubbish += [file_id for file_id in (record.input_file, record.source_file) if file_id]
            record.state = DONE
            records.save(record)
    return [record for record in found if record.state != LOST]


async def find_uploads(provider: Provider, records: Records, among: list[Record]) -> None:
    """Settle the state of files that were being uploaded. Where neither the file nor an earlier round's is there, the
    record lets go of its calls, which the run sends anew."""
    wanted = [record for record in among if record.state in (UPLOADING, LOST)]
    if not wanted:
        return
    names = {record.file_name for record in wanted}
    files = await provider.find_files(names, min(record.created_at for record in wanted))
    if files is None:
        log.warning(
            f"{len(names)} file(s) that may have been uploaded cannot be looked for: {', '.join(sorted(names))}"
        )
    for record in wanted:
        file_id = (files or {}).get(record.file_name)
        if record.state == LOST:
            if file_id is None:
                records.remove(record)
                continue
            record.rubbish.append(file_id)
            record.state = DONE
        elif file_id is not None:
            record.input_file = file_id
            record.source_file = record.source_file or file_id
            record.state = UPLOADED
            if record.erased:
                _make_anew(record)
        elif record.source_file is None:
            record.drop_calls()
            record.state = LOST
            if files is None:
                records.remove(record)
                continue
        records.save(record)


async def _find_batches(provider: Provider, records: Records, wanted: list[Record]) -> None:
    if not wanted:
        return
    since = min(record.created_at for record in wanted)
    named = {record.submission: record.input_file or "" for record in wanted}
    recent = any(time.time() - record.changed_at < RECENT_S for record in wanted)
    batches = await provider.find_batches(named, since, patiently=recent)
    if batches is None:
        log.warning(
            f"the server does not list its batches: {len(wanted)} that may have been created are created again"
        )
    for record in wanted:
        batch_id = (batches or {}).get(record.submission)
        if batch_id is not None:
            record.batch, record.state = batch_id, SUBMITTED
            records.save(record)
        elif record.erased:
            _make_anew(record)
            records.save(record)


def _make_anew(record: Record) -> None:
    """The uploaded file holds lines of somebody who was erased since: another without them is made from it."""
    if record.input_file is not None and record.input_file != record.source_file:
        record.rubbish.append(record.input_file)
    record.round += 1
    record.state, record.input_file = UPLOADING, None
