"""`make bench B=name` runs one; its last line on stdout is one JSON object of its figures."""
