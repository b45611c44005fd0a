"""The turns that are examined for evaluation awareness: a sample of each source, as one stream.

Production and simulated turns are drawn by the same hash from the same prefixes, so that they pair; a candidate and its
predecessor are examined on the same turns. What is drawn knows its probability.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from depsim_dagster.awareness.labels.schema import EVALUATION
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.grading.turn_columns import Turns
from depsim_dagster.grading.turn_sample import TurnSample
from depsim_dagster.grading.turns import production_turns, simulated_turns
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC, EVALUATION_PROMPTS
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

SAMPLE_PURPOSE = "awareness"
EXAMINED_SOURCES = (DEPLOYMENT_TRAFFIC, EVALUATION_PROMPTS)


def turn_samples(study: Study, week: str) -> dict[str, TurnSample]:
    """The sample of each prefix source, by the number of its prefixes in the week."""
    settings = study.config.awareness
    wanted = None if settings is None else settings.turns_per_week
    counts: Counter[str] = Counter()
    for batch in study.lake.scan(DEIDENTIFIED_PREFIXES, {"week": week}, columns=["prefix_source"]):
        counts.update(batch.column("prefix_source").to_pylist())
    return {
        source: TurnSample.of(wanted, counts[source], study.config.seed, SAMPLE_PURPOSE)
        for source in EXAMINED_SOURCES
    }


def examined_turns(study: Study, week: str, model: str) -> Turns:
    """What starts a fresh stream of the sampled turns: production turns of the deployments on whose traffic `model` is
    simulated, then its completions. Their probability is that of the prefix times the sample's.

    Raises (the stream, when it is read):
        LakeError, GateError: the week's prefixes or the model's completions cannot be read.
    """
    samples = turn_samples(study, week)
    replayed = study.config.replayed_deployments(model)

    def stream() -> Iterator[list[TargetTurn]]:
        logged = production_turns(study.lake, week)
        yield from _drawn(
            ([turn for turn in batch if turn.deployment in replayed] for batch in logged), samples
        )
        yield from _drawn(simulated_turns(study.lake, week, model, EXAMINED_SOURCES), samples)

    return stream


def _drawn(batches: Iterable[list[TargetTurn]], samples: dict[str, TurnSample]) -> Iterator[list[TargetTurn]]:
    for batch in batches:
        drawn = [_examined(turn, samples[turn.prefix_source].share) for turn in batch if _in(turn, samples)]
        if drawn:
            yield drawn


def _in(turn: TargetTurn, samples: dict[str, TurnSample]) -> bool:
    return samples[turn.prefix_source].holds(turn.turn_id)


def _examined(turn: TargetTurn, share: float) -> TargetTurn:
    source = EVALUATION if turn.prefix_source == EVALUATION_PROMPTS else turn.source
    return replace(turn, source=source, inclusion_probability=turn.inclusion_probability * share)
