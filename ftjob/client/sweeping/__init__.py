"""Sweeps as their submitter has them: driven on this machine, or sent to a cluster."""
