"""Files, locks, digests, cache folders and bounded documents on this disk."""
