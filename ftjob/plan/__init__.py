"""What a run will do, need and cost, decided before anything starts, and why one failed; pure."""
