-- An interval of max(r, 1/r) starts at 1 and holds the estimate.
select candidate, category, sme_lower, sme, sme_upper
from {{ ref('int_scored_categories') }}
where sme_lower < 1 or sme_lower > sme or sme_upper < sme
