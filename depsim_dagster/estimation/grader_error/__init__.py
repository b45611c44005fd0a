"""How far a grader can be trusted, and rates corrected for its errors: agreement with people, correction, audits."""
