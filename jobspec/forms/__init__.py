"""A spec as a form: its fields with what may stand in them, and its text with some of them changed. Pure."""
