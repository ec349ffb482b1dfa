"""Web servers: how an ASGI app is guarded, run and drained. It knows nothing of what is served."""
