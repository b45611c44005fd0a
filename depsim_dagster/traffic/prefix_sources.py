"""Where a prefix comes from: the deployments' own traffic, or one of the sources that stand beside it."""

from __future__ import annotations

DEPLOYMENT_TRAFFIC = "deployment_traffic"
# Prompts on which earlier models failed: chosen for that, so their rates are no estimate of production's (METHOD.md).
CHALLENGING_PROMPTS = "challenging_prompts"
# A public corpus in place of private traffic.
EXTERNAL_CORPUS = "external_corpus"

# Traditional evaluation sets: METHOD.md names them a baseline of evaluation awareness, not of rates.
EVALUATION_PROMPTS = "evaluation_prompts"

BASELINE_SOURCES = (CHALLENGING_PROMPTS, EXTERNAL_CORPUS)
# What is graded by the taxonomy. Grading evaluation prompts would cost a call of every category for each of them, and what
# users ask is nothing that their rates could forecast; only the measures of evaluation awareness look at them.
GRADED_SOURCES = (DEPLOYMENT_TRAFFIC, *BASELINE_SOURCES)
# Beside the traffic, in the order in which they are sampled.
FURTHER_SOURCES = (*BASELINE_SOURCES, EVALUATION_PROMPTS)
PREFIX_SOURCES = (DEPLOYMENT_TRAFFIC, *FURTHER_SOURCES)
