"""Evaluation awareness of single turns: one label for every turn, measure and judge."""
