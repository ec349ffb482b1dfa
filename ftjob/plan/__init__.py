"""All that is decided about a run before it starts: nets, memory, time, dollars; why a run failed. Pure."""
