"""Rates of rare behaviours, their intervals, forecasts of them, and the scores of those forecasts.

Pure functions on arrays and pandas tables: no files, no network, no Dagster, no randomness without a seed
(`assets` and `schema` tie them to the lake). The flow:

    graded_labels, production_labels       one row per target turn and category
      -> rates.estimate_rates              k, n, weights, clusters, interval (intervals: gamma when rare,
                                           Korn-Graubard when common; design_effect: shrunk over categories)
      -> strata.stratum_rates              the same by language, length, turn, tools or topic
      -> grader_error.choice.correct_rate  corrected_rates: what people would flag, or why it cannot be said
      -> comparison.*                      did a rate change between two models or releases?
      -> forecast.weeks.combine_weeks      the weeks of the window, the newest counting most
      -> forecast.learned_tau.learn_tau    how wrong is a forecast of this category, as known before the release?
      -> forecast.prediction_interval      which counts may production show? (common_forecast when common)
      -> scoring.score_forecast            post_release_calibration: SME, noise floor, log scores, PIT, direction
      -> summary.calibration_summary       calibration_summary: the study's SME and its own noise floor, tau, calls
         baselines.score_baselines         baseline_calibration: the same scores of other prefix sources
         hypotheses.registered_tests       registered_tests: H1, H2 and H3
         coverage.detectable_rate          which unknown behaviour would the audit have caught?

Import the modules (`from depsim_dagster.estimation import rates`); this package exports nothing, so that
importing it loads no scipy. Samples of a cascade come in with their grading probabilities, and the turns that nobody
labelled bound the rate. `estimate_rates` itself does not correct for grader error (`grader_error`) or reweight for a shift
of the traffic (`shift`: shift_table makes the weights between two mixes, reweighted_rates the rates with them).
"""
