"""Grading: the taxonomy of undesired behaviours, graders that label target turns, and the measurement stack's hash."""
