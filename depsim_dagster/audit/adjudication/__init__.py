"""Adjudication: what people decide of the behaviours that the audit found, and the drafts that come of it."""
