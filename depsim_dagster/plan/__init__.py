"""What a study would cost, before any call."""
