"""Every model call of the product (candidate, predecessor, grader): building it, making it, keeping its
answer."""
