"""Exact sums of time and money, and how far a budget goes. Pure."""
