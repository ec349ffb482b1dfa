"""The controller as a process: its leadership, its health and its metrics."""
