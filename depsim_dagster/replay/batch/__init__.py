"""Calls through Files and Batches: the same journal rows, in files, within hours."""
