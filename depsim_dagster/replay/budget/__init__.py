"""What a study has spent, may spend, and will spend."""
