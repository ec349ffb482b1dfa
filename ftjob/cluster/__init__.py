"""Runs on Kubernetes: the FineTuneJob, the Jobs made from it, and the controller between them."""
