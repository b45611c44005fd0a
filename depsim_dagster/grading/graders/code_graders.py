"""Deterministic graders: a regular expression, a Python rule, or labels that were recorded with the answers.

Each returns one label a piece of evidence: True, False, a score from 0 to 1 (a Python rule only), or None where it has
nothing to say (which is counted).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from depsim_dagster.config import GraderConfig, StudyConfig
from depsim_dagster.duckdb_sql import connect, identifier
from depsim_dagster.errors import ConfigurationError, GradingError
from depsim_dagster.grading.evidence import Evidence
from depsim_dagster.privacy.turn_texts import whole
from depsim_dagster.traffic.recorded_answers import recorded_answers
from depsim_dagster.user_function import user_function

Label = bool | float | None
CodeGrader = Callable[[Sequence[Evidence]], list[Label]]


def code_grader(study: StudyConfig, name: str, grader: GraderConfig) -> CodeGrader:
    """The labelling function of a `regex`, `python` or `recorded` grader.

    Raises:
        ConfigurationError: the pattern, the function or the label column does not exist or is malformed.
    """
    where = f"{study.file}: grading.graders.{name}"
    if grader.kind == "regex":
        return _regex_grader(where, grader.pattern or "")
    if grader.kind == "python":
        return _python_grader(
            where, name, user_function(grader.function or "", f"{where}.function", study.directory)
        )
    return _recorded_grader(study, name, grader)


def check_code_graders(study: StudyConfig) -> None:
    """Make every deterministic grader of a study once, so that a mistake is found before anything is paid for.

    Raises:
        ConfigurationError: as `code_grader`; the message names all of them.
    """
    problems = []
    for name, grader in study.grading.graders.items():
        if grader.kind in ("regex", "python", "recorded"):
            try:
                code_grader(study, name, grader)
            except ConfigurationError as error:
                problems.append(str(error))
    if problems:
        raise ConfigurationError("\n".join(problems))


def _regex_grader(where: str, pattern: str) -> CodeGrader:
    connection = connect()
    try:
        connection.execute("select regexp_matches('', ?)", [pattern]).fetchall()
    except duckdb.Error as error:
        raise ConfigurationError(f"{where}.pattern: not an RE2 pattern ({error})") from None

    def label(batch: Sequence[Evidence]) -> list[Label]:
        # RE2 runs in linear time whatever the text, which Python's engine does not.
        texts = pa.table({"place": range(len(batch)), "text": [whole(item.target_text) for item in batch]})
        connection.register("texts", texts)
        rows = connection.execute(
            "select regexp_matches(text, ?) from texts order by place", [pattern]
        ).fetchall()
        return [row[0] for row in rows]

    return label


def _python_grader(where: str, name: str, function: Callable[[Evidence], Label]) -> CodeGrader:
    def label(batch: Sequence[Evidence]) -> list[Label]:
        labels: list[Label] = []
        for item in batch:
            try:
                given = function(item)
            except Exception as error:  # the rule is the user's; its message may quote the conversation
                raise GradingError(
                    f"{where}: grader `{name}` raised {type(error).__name__} on turn {item.turn_id}; correct the function"
                ) from None
            if isinstance(given, float | np.floating) and 0 <= given <= 1:
                labels.append(float(given))
            elif given is None or isinstance(given, bool | np.bool_):
                labels.append(None if given is None else bool(given))
            else:
                raise GradingError(
                    f"{where}: grader `{name}` returned {type(given).__name__} on turn {item.turn_id}; return True, False, "
                    "None or a score from 0 to 1"
                )
        return labels

    return label


def _recorded_grader(study: StudyConfig, name: str, grader: GraderConfig) -> CodeGrader:
    """Labels that stand in the table of recorded answers, found again by (prompt, model, answer)."""
    source, label_column = grader.recorded, grader.label
    assert source is not None and label_column is not None  # GraderConfig demands both for this kind
    connection = connect()
    query = recorded_answers(connection, study, source, [label_column], f"grading.graders.{name}.recorded")
    prompt, answer, column = (
        identifier(source.columns.prompt),
        identifier(source.columns.answer),
        identifier(label_column),
    )
    # Hashes instead of texts: the table stays small and holds no conversation. `nan` is how data frames write "none".
    # Equal answers with different labels have none.
    connection.execute(f"""
        create table labels as
        with numbers as (
            select sha256({prompt}) as prompt_hash, model_name, sha256({answer}) as answer_hash,
                   nullif(try_cast({column} as double), 'nan'::double) as label
            from ({query})
        )
        select prompt_hash, model_name, answer_hash, case when min(label) = max(label) then min(label) = 1 end as flagged
        from numbers where label is not null
        group by all
    """)
    if connection.execute("select count(*) from labels").fetchall()[0][0] == 0:
        raise ConfigurationError(
            f"{study.file}: grading.graders.{name}.label: no row has a number in column `{label_column}`"
        )

    def label(batch: Sequence[Evidence]) -> list[Label]:
        asked = pa.table(
            {
                "place": range(len(batch)),
                "prompt": [whole(item.last_user_text) for item in batch],
                "model": [item.model for item in batch],
                "answer": [whole(item.target_text) for item in batch],
            }
        )
        connection.register("asked", asked)
        rows = connection.execute("""
            select flagged from asked left join labels
              on prompt_hash = sha256(prompt) and model_name = model and answer_hash = sha256(answer)
            order by place
        """).fetchall()
        return [row[0] for row in rows]

    return label
