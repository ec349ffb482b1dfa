"""From a base net to the nets of a run: heads, freezing, data layers, deploy."""
