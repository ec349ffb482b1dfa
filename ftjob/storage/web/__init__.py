"""Single files on the web: fetched once, continued where a connection broke, kept by their digest."""
