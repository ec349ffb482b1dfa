"""From a spec to a plan: the reading that planning needs."""
