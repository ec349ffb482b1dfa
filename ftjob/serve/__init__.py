"""A bundle behind HTTP: answers in batches, KServe's v2 protocol, metrics, pages."""
