"""Several processes that train one net together, one on each GPU: the ranks of PyTorch's process group."""
