"""What travels between a worker and the store that its run lives in."""
