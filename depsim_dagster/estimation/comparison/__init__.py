"""Did a rate change? Two models on different prefixes or on the same, and many categories at once."""
