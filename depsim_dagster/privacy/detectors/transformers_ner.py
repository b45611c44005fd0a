"""Token classification by a transformers model in a folder that the user has."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depsim_dagster.errors import ConfigurationError, GateError, text_free
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detectors.found_types import found_type

if TYPE_CHECKING:
    from depsim_dagster.privacy.detectors import Detector

# A batch of texts in, per text its entities: {entity_group, start, end, …}.
Pipeline = Callable[[list[str]], list[list[dict[str, Any]]]]

# Tokens that two windows of a long text share: without windows a model reads the first few hundred and drops the rest.
STRIDE = 64


def load_pipeline(folder: Path, where: str) -> Pipeline:
    """A token-classification pipeline of a local model. Nothing is downloaded.

    Raises:
        ConfigurationError: the folder holds no such model, or one whose tokenizer gives no offsets.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{where}.model: no folder {folder}; models are not downloaded")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import transformers

    try:
        return transformers.pipeline(
            "token-classification", model=str(folder), aggregation_strategy="simple", stride=STRIDE
        )
    except Exception as error:  # whatever a library says of a folder that is not a model
        raise ConfigurationError(
            f"{where}.model: {folder} is no token-classification model with a fast tokenizer ({type(error).__name__})"
        ) from None


def transformers_detector(pipeline: Pipeline) -> Detector:
    """The pipeline's entities as spans."""

    def detect(texts: list[str]) -> list[list[IdentifierSpan]]:
        # A pipeline takes an empty text for a mistake.
        asked = [text for text in texts if text.strip()]
        with text_free("detector transformers"):
            answers = iter(pipeline(asked) if asked else [])
            found = [[*map(_span, next(answers))] if text.strip() else [] for text in texts]
        return [
            [span for span in spans if span is not None and _inside(span, text)]
            for text, spans in zip(texts, found, strict=True)
        ]

    return detect


def _span(entity: dict[str, Any]) -> IdentifierSpan | None:
    start, end = entity.get("start"), entity.get("end")
    if start is None or end is None:
        raise GateError(
            "detector transformers: the model's tokenizer gives no offsets; use one with a fast tokenizer"
        )
    type_ = found_type(str(entity.get("entity_group") or entity.get("entity") or ""))
    return None if type_ is None else IdentifierSpan(type_, int(start), int(end))


def _inside(span: IdentifierSpan, text: str) -> bool:
    return 0 <= span.start < span.end <= len(text)
