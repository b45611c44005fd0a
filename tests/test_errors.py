"""text_free: what reaches a log or a Dagster run event holds no conversation text."""

import sys

import pytest

from depsim_dagster.errors import DepsimError, TrafficError, text_free

CANARY = "canary-7f3a: my name is Harriet"


def _serialised(block) -> str:
    """The error as Dagster stores it in its event log, also below the wrapper that a step puts around it."""
    from dagster._utils.error import serializable_error_info_from_exc_info

    try:
        try:
            block()
        except Exception as inner:
            raise RuntimeError("step failed") from inner
    except RuntimeError:
        return serializable_error_info_from_exc_info(sys.exc_info()).to_string()
    raise AssertionError("nothing was raised")


def _library_error():
    with text_free("sampled_traffic[week=2026-01-05]"):
        raise KeyError(CANARY)


def _chained_library_error():
    with text_free("place"):
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise RuntimeError(f"again {CANARY}") from error


def _own_error_with_a_cause():
    with text_free("place"):
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise TrafficError("logs.parquet: damaged") from error


def _own_error_in_the_context_of_another():
    with text_free("place"):
        try:
            raise ValueError(CANARY)
        except ValueError:
            raise TrafficError("logs.parquet: damaged")  # noqa: B904


def _nested():
    with text_free("outer"), text_free("inner"):
        raise UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY)


@pytest.mark.parametrize(
    "block",
    [
        _library_error,
        _chained_library_error,
        _own_error_with_a_cause,
        _own_error_in_the_context_of_another,
        _nested,
    ],
)
def test_dagster_serialises_no_text(block):
    stored = _serialised(block)
    assert "canary" not in stored and "Harriet" not in stored
    assert "step failed" in stored


def test_an_unforeseen_error_keeps_its_class_and_place():
    with pytest.raises(
        DepsimError, match=r"^sampled_traffic\[week=2026-01-05\]: KeyError at test_errors.py:\d+ "
    ):
        _library_error()


def test_an_error_of_ours_keeps_its_class_and_message():
    with pytest.raises(TrafficError, match=r"^logs.parquet: damaged$"):
        _own_error_with_a_cause()


def test_an_interruption_passes_through():
    with pytest.raises(KeyboardInterrupt), text_free("place"):
        raise KeyboardInterrupt


def test_no_error_passes_the_block():
    with text_free("place"):
        done = True
    assert done
