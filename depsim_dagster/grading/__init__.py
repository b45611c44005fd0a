"""Grading: one label per target turn and category.

taxonomy      which behaviours are looked for (taxonomy.yaml, taxonomy_coding_agent.yaml)
labelling     turns (turns, turn_columns) → graders (graders/) → rows (label_rows)
stack         everything that decides what a label means, as one hash
review/       labels of people, and the graders beside them
"""
