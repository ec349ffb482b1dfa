"""Decides what to do about a FineTuneJob from what is observed of it; pure."""
