"""The audit for behaviours that the taxonomy does not name, before a release and after it."""
