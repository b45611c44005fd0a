"""Measuring de-identification on labelled text, and the Safe Harbor coverage table."""
