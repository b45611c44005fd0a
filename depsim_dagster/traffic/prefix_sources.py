"""Where a prefix comes from: the deployments' own traffic, or one of the sources that stand beside it as baselines."""

from __future__ import annotations

DEPLOYMENT_TRAFFIC = "deployment_traffic"
# Prompts on which earlier models failed: chosen for that, so their rates are no estimate of production's (METHOD.md).
CHALLENGING_PROMPTS = "challenging_prompts"
# A public corpus in place of private traffic.
EXTERNAL_CORPUS = "external_corpus"

BASELINE_SOURCES = (CHALLENGING_PROMPTS, EXTERNAL_CORPUS)
PREFIX_SOURCES = (DEPLOYMENT_TRAFFIC, *BASELINE_SOURCES)
