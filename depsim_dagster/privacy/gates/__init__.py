"""The gates between traffic and replay: suites, consent asked again, residual scan, canaries, overrides, k-anonymity."""
