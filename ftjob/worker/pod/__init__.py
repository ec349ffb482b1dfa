"""A worker's interface to its pod: its environment, and its reports."""
