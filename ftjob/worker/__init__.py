"""The program that trains, in a pod or beside the CLI: it owns its run folder while it lives."""
