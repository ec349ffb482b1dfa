"""From the records of an LMDB to batches of pixels, in processes that load no PyTorch."""
