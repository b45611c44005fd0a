"""Two-phase samples: a cheap screen on every turn and the full grader on a part, several completions of one prefix."""
