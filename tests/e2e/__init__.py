"""The whole path, from the command line to the bundle."""
