"""A plan in words, as the command line and the pages show it. Pure."""
