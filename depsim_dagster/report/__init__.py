"""What people read: the self-contained HTML report of a study, its figures, and the terminal table.

Nothing here estimates: every number comes from the lake's tables, this package only summarises, formats and
draws. `study_report` is the entry point; `page`, `figures` and `terminal` load their libraries lazily.
"""
