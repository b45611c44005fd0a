-- The share counted from the rows is that of the counts that Python summarised.
select candidate, category_group, inside, inside_of, observed_in_prediction_share
from {{ ref('rate_calibration') }}
where inside > inside_of
    or (inside_of = 0 and observed_in_prediction_share is not null)
    or (inside_of > 0 and (observed_in_prediction_share is null
        or abs(observed_in_prediction_share - inside / inside_of) > 1e-12))
