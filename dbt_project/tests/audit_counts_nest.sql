{{ config(meta={'dagster': {'ref': {'name': 'taxonomy_coverage'}}}) }}
-- What was accepted was found, what was missed came up after the release, and a recall is a share of some category.
select candidate
from {{ ref('taxonomy_coverage') }}
where accepted_before_release > behaviours_before_release
    or behaviours_missed > behaviours_after_release
    or ablation_recall not between 0 and 1
    or (ablation_recall is null) <> (coalesce(ablation_categories, 0) = 0)
    or (ablation_least_recall_category is null) <> (ablation_recall is null)
