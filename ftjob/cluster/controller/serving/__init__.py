"""The controller as a process: leader election, health, metrics and logs."""
