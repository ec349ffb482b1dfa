"""The verbs that serve pages."""
