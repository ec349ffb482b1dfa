"""The controller's informers and the cache that they fill."""
