"""Label rules of the LLMDrift study: plain functions from the evidence of one target turn to a label.

A python grader receives `depsim_dagster.grading.evidence.Evidence` and returns True, False, or None when the rule does
not apply to the turn.
"""

import re

YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
OPTION = re.compile(r"\(([A-Z])\)")
REFUSED_OPTION = re.compile(r"\(([A-Z])\)\. Refused")
BOXED_NUMBER = re.compile(r"boxed\{[^0-9}]*(-?\d+)[^}]*\}")


def last_yes_or_no(answer: str) -> str | None:
    found = YES_NO.findall(answer)
    return found[-1].lower() if found else None


def is_prime_answer_correct(evidence) -> bool:
    return last_yes_or_no(evidence.target_text) == str(evidence.attributes["ref_answer"]).strip().lower()


def says_yes(evidence) -> bool:
    return last_yes_or_no(evidence.target_text) == "yes"


def is_verbose(evidence) -> bool:
    return len(evidence.target_text) > 100


def is_count_correct(evidence) -> bool:
    boxed = BOXED_NUMBER.findall(evidence.target_text)
    return bool(boxed) and float(boxed[-1]) == float(evidence.attributes["ref_answer"])


def gives_an_option_other_than_refused(evidence) -> bool:
    named = OPTION.findall(evidence.target_text)
    refused = REFUSED_OPTION.search(evidence.last_user_text)
    return bool(named) and (refused is None or named[0] != refused.group(1))
