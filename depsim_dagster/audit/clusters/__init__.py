"""Findings of the auditor gathered into behaviours, and each behaviour of the candidate beside its predecessor."""
