"""Sweeps: the fields to vary, and the specs of the members that follow from them."""
