"""Evaluation awareness: whether a model can tell the replay from deployment, and what gives it away."""
