"""What is served: a net that answers the same wherever it is run, and the proof that comes with it."""
