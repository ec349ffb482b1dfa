"""On the path of programs that a test without the marker `torch` starts: PyTorch is not there."""

import sys

sys.modules["torch"] = None
