"""People made unidentifiable: detection, realistic surrogates, the independent residual scan, and the gates."""
