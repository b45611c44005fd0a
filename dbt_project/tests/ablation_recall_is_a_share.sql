-- The recall that Python computed is that of its counts.
select candidate, category, matched, answered, recall
from {{ ref('stg_category_ablation') }}
where matched > answered
    or (answered = 0 and recall is not null)
    or (answered > 0 and (recall is null or abs(recall - matched / answered) > 1e-9))
