"""The traffic of the forecast's weeks reweighted to the mix of the weeks that are forecast."""
