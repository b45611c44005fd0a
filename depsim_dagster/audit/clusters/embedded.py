"""Descriptions as an endpoint's embeddings, where `audit.embeddings` names one: through the engine, its journal and budget.

One description is one request, so that each answer is of the turns whose finding it is: an erasure finds it by them, and a
later run pays nothing twice. Equal descriptions share a request. Not here: the local vectoriser (`vectors`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from depsim_dagster.audit.clusters.behaviours import Vectorise, evened
from depsim_dagster.audit.clusters.vectors import LOCAL_VECTORISER, local_vectors, unit_length
from depsim_dagster.config_sections.audit import EmbeddingsConfig
from depsim_dagster.errors import EndpointError
from depsim_dagster.progress import Progress
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.calls.engine import CallStatistics, complete_calls
from depsim_dagster.replay.dialects.apis import model_call
from depsim_dagster.replay.dialects.embeddings import embedding_of, embeddings_request
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.study import Study

# The share of descriptions that may have no embedding, beside a single one: more is a fault and no filter.
MOST_REFUSED = 0.01
# Numbers of all embeddings together: 1 GB of them, of which a few copies are held.
MOST_NUMBERS = 2**27


def vectoriser_name(study: Study) -> str:
    """What puts the descriptions of this study into a space."""
    audit = study.config.audit
    if audit is None or audit.embeddings is None:
        return LOCAL_VECTORISER
    return f"embeddings of {audit.embeddings.endpoint}/{audit.embeddings.model} (version 1)"


def vectoriser(
    study: Study,
    findings: pd.DataFrame,
    progress: Progress | None = None,
    statistics: list[CallStatistics] | None = None,
) -> Vectorise:
    """The study's vectoriser. findings: rows with `description`, `week`, `turn_id` and `user_id`: for whom the descriptions
    are embedded. `statistics` gets what the calls cost.

    A description that the endpoint does not embed (a content filter) is like no other. The vectoriser raises EndpointError
    where these are more than MOST_REFUSED, and what the engine raises.
    """
    audit = study.config.audit
    if audit is None or audit.embeddings is None:
        return local_vectors
    settings = audit.embeddings

    def vectors(texts: list[str]) -> np.ndarray:
        endpoint = study.embeddings_endpoint(settings.endpoint)
        journal = study.journal(settings.endpoint, settings.model)
        made = complete_calls(
            endpoint,
            _calls(endpoint, settings, findings),
            journal,
            progress=progress,
            spending=study.spending(settings.endpoint, settings.model),
        )
        if statistics is not None:
            statistics.append(made)
        place = {_call(endpoint, settings, text, None).request_id: at for at, text in enumerate(texts)}
        return _points(endpoint, settings, place, lambda: journal.outcomes(list(place)))

    return vectors


def _calls(endpoint: Endpoint, settings: EmbeddingsConfig, findings: pd.DataFrame) -> Iterator[ModelCall]:
    for row in findings[["description", "week", "turn_id", "user_id"]].itertuples(index=False):
        subject = Subject(row.week, row.turn_id, row.user_id)
        yield _call(endpoint, settings, evened(row.description), subject)


def _call(endpoint: Endpoint, settings: EmbeddingsConfig, text: str, subject: Subject | None) -> ModelCall:
    return model_call(endpoint, embeddings_request(settings.model, text), 0, subject)


def _points(
    endpoint: Endpoint,
    settings: EmbeddingsConfig,
    place: dict[str, int],
    outcomes: Callable[[], Iterable[pa.RecordBatch]],
) -> np.ndarray:
    """The embeddings in the order of the texts, without what is common to all and of length 1: models put every text
    into a narrow cone, in which unlike ones would look alike (Mu and Viswanath 2018, ICLR)."""
    # Of the length that most have: one answer of another must not outvote them, as it stays in the journal.
    lengths = Counter(len(found) for _, found in _embeddings(outcomes()))
    length = max(lengths, key=lambda length: (lengths[length], length), default=0)
    if len(place) * length > MOST_NUMBERS:
        raise EndpointError(
            f"{endpoint.label}: model `{settings.model}` gives embeddings of {length} numbers for {len(place)} descriptions, more "
            "than can be held at once; name a model of smaller ones, lower audit.turns_per_week, or remove `audit.embeddings` to "
            "use the local vectoriser"
        )
    points = np.zeros((len(place), length))
    filled = np.zeros(len(place), dtype=bool)
    for request, found in _embeddings(outcomes()):
        if len(found) == length:
            points[place[request]] = found
            filled[place[request]] = True
    if not length or (~filled).sum() > max(1, MOST_REFUSED * len(place)):
        raise EndpointError(
            f"{endpoint.label}: model `{settings.model}` gave no embedding, or one of another length, for "
            f"{int((~filled).sum())} of {len(place)} descriptions; see its log and run again (only these are asked for), or "
            "remove `audit.embeddings` to use the local vectoriser"
        )
    points = unit_length(points)
    common = points[filled].mean(axis=0) if filled.sum() > 1 else 0.0
    return unit_length(np.where(filled[:, np.newaxis], points - common, 0.0))


def _embeddings(outcomes: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, np.ndarray]]:
    """(request, its point) of those that were answered with one."""
    for batch in outcomes:
        columns = (batch.column(name).to_pylist() for name in ("request_id", "status", "completion"))
        for request, status, completion in zip(*columns, strict=True):
            found = embedding_of(status, completion)
            if found is not None:
                yield request, found
