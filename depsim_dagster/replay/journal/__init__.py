"""Answers that were paid for, durable before they count."""
