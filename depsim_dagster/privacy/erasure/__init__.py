"""Erasure, revocation, retention, and what the rotation of the key leaves behind."""
