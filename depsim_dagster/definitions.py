"""The one Definitions object, and the place to start reading: the lineage from logs to a scored forecast.

    traffic     sampled_traffic, sampling_funnel          week            uniform sample of eligible user turns
    privacy     deidentified_prefixes                     week            surrogates, gates, publication
    replay      regenerated_completions                   week × model    the final turn again, by another model
    grading     graded_labels                             week × model    one label per completion and category
    estimation  rate_estimates                            week × model    rates per 100k with intervals
    estimation  model_comparison                          candidate       X→Y against Y→Y on the same prefixes
    estimation  traffic_shift                             candidate       weights to the mix of traffic that is forecast
    awareness   awareness_labels                          week × model    who takes a transcript for an evaluation
    awareness   awareness_rates, replay_giveaways         candidate       simulated beside production; what gives replay away
    audit       audit_findings                            week × model    what an open-ended auditor objects to
    audit       behaviour_differences, mined_phrases      candidate       what the candidate does more often, without a model call
    audit       novel_behaviours, novel_behaviour_members candidate       findings grouped, candidate beside predecessor
    audit       category_ablation                         candidate       does the auditor bring back a category taken out?
    registry    registered_forecasts                      candidate       sealed before the outcome is graded
    grading     production_labels                         week            the same stack on what was really answered
    estimation  observed_rates                            week
    audit       production_findings                       week            the auditor on what was really answered
    audit       post_release_behaviours                   candidate       what the audit before the release missed
    audit       behaviour_decisions                                       what people decided of them (`depsim audit`)
    registry    post_release_calibration                  candidate       forecast against observation
    registry    baseline_calibration                      candidate       what other prefix sources would have forecast
    registry    error_decomposition                       candidate       environment, prefix, grader and sampling error
    registry    variant_calibration                       candidate       its variants: weeks discounted, traffic reweighted
    registry    calibration_summary                                       their error beside its noise floor
    registry    registered_tests                                          the hypotheses H1, H2 and H3
    marts       taxonomy_coverage, evaluation_awareness, directional_accuracy, rate_calibration, baseline_comparison (dbt)
    grading     grader_validation                                         graders beside people, where people labelled
    estimation  corrected_rates                                           what their labels make of the rates
    estimation  stratum_rates                                             rates by language, length, turn, tools, topic
    report      warehouse, study_report

The study comes from the file named in DEPSIM_STUDY, or study.yaml in the working folder, or demo/study.yaml.
"""

import os
from pathlib import Path

import dagster as dg

from depsim_dagster.audit.adjudication.assets import adjudication_assets
from depsim_dagster.audit.assets import auditor_assets
from depsim_dagster.audit.clusters.assets import cluster_assets
from depsim_dagster.audit.mining.assets import mining_assets
from depsim_dagster.awareness.estimates.assets import awareness_estimate_assets
from depsim_dagster.awareness.labels.assets import awareness_label_assets
from depsim_dagster.config import (
    DEMO_STUDY_FILE,
    STUDY_FILE_VARIABLE,
    StudyConfig,
    load_study,
    study_file_from_environment,
)
from depsim_dagster.estimation.assets import estimation_assets
from depsim_dagster.estimation.comparison.assets import comparison_assets
from depsim_dagster.estimation.grader_error.assets import grader_error_assets
from depsim_dagster.estimation.shift.assets import shift_assets
from depsim_dagster.grading.assets import grading_assets
from depsim_dagster.grading.review.assets import validation_assets
from depsim_dagster.jobs import forget_revoked_job, partition_jobs, purge_job, study_job
from depsim_dagster.marts.assets import marts_assets
from depsim_dagster.partitions import study_partitions
from depsim_dagster.privacy.assets import privacy_assets
from depsim_dagster.registry.assets import registry_assets
from depsim_dagster.replay.assets import replay_assets
from depsim_dagster.report.assets import report_assets
from depsim_dagster.resources import StudyResource
from depsim_dagster.schedules import (
    purge_schedule,
    revocation_sensor,
    simulation_sensor,
    weekly_traffic_schedule,
)
from depsim_dagster.templates import DEMO_TEMPLATE
from depsim_dagster.traffic.assets import traffic_assets


def build_definitions(config: StudyConfig, study_file: Path) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors of one study; runs open the study from `study_file`."""
    partitions = study_partitions(config)
    jobs = partition_jobs()
    purge, forget_revoked = purge_job(), forget_revoked_job()
    by_name = {job.name: job for job in jobs}
    return dg.Definitions(
        assets=[
            *traffic_assets(partitions),
            *privacy_assets(partitions),
            *replay_assets(partitions),
            *grading_assets(partitions),
            *estimation_assets(partitions),
            *comparison_assets(partitions),
            *shift_assets(partitions),
            *awareness_label_assets(partitions),
            *awareness_estimate_assets(partitions),
            *auditor_assets(partitions),
            *mining_assets(partitions),
            *cluster_assets(partitions),
            *adjudication_assets(),
            *registry_assets(partitions),
            marts_assets,
            *validation_assets(),
            *grader_error_assets(),
            *report_assets(),
        ],
        jobs=[*jobs, study_job(lambda: build_definitions(config, study_file)), purge, forget_revoked],
        schedules=[weekly_traffic_schedule(partitions, by_name["traffic"]), purge_schedule(config, purge)],
        sensors=[
            simulation_sensor(config, by_name["traffic"], by_name["simulation"]),
            revocation_sensor(study_file.absolute(), forget_revoked),
        ],
        resources={"study": StudyResource(study_file=str(study_file.absolute()))},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the study file; before there is one, those of the demo, so that its lineage can be seen."""
    file = study_file_from_environment()
    if not file.exists() and STUDY_FILE_VARIABLE not in os.environ:
        return build_definitions(load_study(DEMO_TEMPLATE), DEMO_STUDY_FILE)
    return build_definitions(load_study(file), file)
