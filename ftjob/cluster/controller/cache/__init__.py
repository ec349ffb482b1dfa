"""What the controller has heard of the cluster."""
