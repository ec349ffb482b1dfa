"""The verbs that serve pages and answers over HTTP."""
