"""Rates of rare behaviours, their intervals, forecasts of them, and the scores of those forecasts.

Pure functions on arrays and pandas tables: no files, no network, no Dagster, no randomness without a seed
(`assets` and `schema` tie them to the lake). The flow:

    graded_labels, production_labels       one row per target turn and category
      -> rates.estimate_rates              k, n, weights, clusters, interval (intervals: gamma when rare,
                                           Korn-Graubard when common)
      -> comparison.*                      did a rate change between two models or releases?
      -> forecast.prediction_interval      which counts may production show? (common_forecast when common)
      -> scoring.score_forecast            post_release_calibration: SME, noise floor, log score, direction
      -> summary.calibration_summary       calibration_summary: the study's SME and its own noise floor
         baselines.score_baselines         baseline_calibration: the same scores of other prefix sources
         coverage.detectable_rate          which unknown behaviour would the audit have caught?

Import the modules (`from depsim_dagster.estimation import rates`); this package exports nothing, so that
importing it loads no scipy. Samples of a cascade come in with their grading probabilities, and the turns that nobody
labelled bound the rate. What these functions do not do: correct for grader error, or reweight for a shift of the traffic.
Those change the weights or the labels that enter `estimate_rates`, not the interval.
"""
