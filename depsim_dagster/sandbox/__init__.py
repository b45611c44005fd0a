"""The synthetic world with known truth: traffic, models, grader and an OpenAI-compatible server on loopback.

For trying and testing the product offline. Product code never imports this package and never reads its truth.
"""
