"""What production may show: weeks combined, the forecast error learned, the distribution of the observed count."""
