"""Runs with stages: each is trained from the result of the one before it."""
