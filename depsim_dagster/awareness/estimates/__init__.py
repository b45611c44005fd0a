"""Evaluation awareness as rates of each source, the ratio of replay to production, and which property of the replay raises it."""
