"""The registry: forecasts are sealed before the outcome is looked at, and scored against it afterwards."""
