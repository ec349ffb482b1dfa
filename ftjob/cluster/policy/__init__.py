"""What follows from what is observed: pure."""
