"""Labels that people give, and how the graders compare with them."""
