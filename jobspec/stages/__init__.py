"""Stages of a spec: parts of its sections, laid over one another."""
