"""Named entities of a spaCy pipeline that the user has: people, organisations, places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import spacy
from spacy.language import Language

from depsim_dagster.errors import ConfigurationError, text_free
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detectors.found_types import found_type

if TYPE_CHECKING:
    from depsim_dagster.privacy.detectors import Detector

PIECE = 50_000  # characters; spaCy refuses a million, and its memory grows with the length of a text
_BREAK = re.compile(r"\s")


def load_pipeline(model: str, where: str, directory: Path = Path()) -> Language:
    """An installed pipeline, or the folder of one. Nothing is downloaded.

    Raises:
        ConfigurationError: there is none.
    """
    folder = directory / model
    try:
        return spacy.load(folder if folder.is_dir() else model)
    except Exception as error:  # OSError where there is none, others for one of another version
        raise ConfigurationError(
            f"{where}.model: `{model}` is neither an installed spaCy pipeline nor a folder of one that this spaCy can load "
            f"({type(error).__name__})"
        ) from None


def spacy_detector(pipeline: Language) -> Detector:
    """The pipeline's entities as spans."""

    def detect(texts: list[str]) -> list[list[IdentifierSpan]]:
        pieces = [
            (piece, (place, start)) for place, text in enumerate(texts) for start, piece in _pieces(text)
        ]
        found: list[list[IdentifierSpan]] = [[] for _ in texts]
        with text_free("detector spacy"):
            for document, (place, start) in pipeline.pipe(pieces, as_tuples=True):
                for entity in document.ents:
                    type_ = found_type(entity.label_)
                    if type_ is not None:
                        span = IdentifierSpan(type_, start + entity.start_char, start + entity.end_char)
                        found[place].append(span)
        return found

    return detect


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """(offset, part) of at most about PIECE characters, cut where there is a blank."""
    start = 0
    while len(text) - start > PIECE:
        blank = _BREAK.search(text, start + PIECE, start + PIECE + 1000)
        end = blank.end() if blank else start + PIECE
        yield start, text[start:end]
        start = end
    yield start, text[start:]
