"""Traffic in: readers of log formats, eligibility and consent, and the seeded sample of user turns."""
