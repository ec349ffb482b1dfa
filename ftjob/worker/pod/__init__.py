"""What a worker has to do with its pod: what it is given at its start, and what it reports."""
