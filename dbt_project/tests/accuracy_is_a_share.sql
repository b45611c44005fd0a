-- Counts nest (correct within called, called and abstained within categories) and the share follows from them.
select *
from {{ ref('directional_accuracy') }}
where correct > called
    or called + abstained > categories
    or (called > 0 and accuracy is distinct from correct / called)
    or (called = 0 and accuracy is not null)
