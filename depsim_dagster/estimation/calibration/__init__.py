"""A sealed forecast against its outcome: scores, their noise floor, registered tests, where the error comes from."""
