"""Pages in a browser: every run, live and afterwards, on this machine or on a cluster."""
