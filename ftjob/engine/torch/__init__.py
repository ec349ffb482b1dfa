"""The engine that runs Caffe's nets natively on PyTorch, in a process of its own."""
