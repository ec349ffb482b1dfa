"""What the controller takes for many jobs, beside the same logic in an operator written with kopf."""
