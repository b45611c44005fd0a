"""Replacing personal details: one mapping per conversation, drawn by shape and never from the original."""
