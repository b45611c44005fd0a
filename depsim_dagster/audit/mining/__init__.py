"""Differential mining: what a candidate does more or less often than its predecessor on the same prefixes, found without a
model call and without labels. Read `mining` first; the audit's other two ways (an open-ended auditor, clusters of what it
describes) are beside this package.
"""
