"""Bundles' nets as ONNX: translated from prototxt and caffemodel, run by ONNX Runtime and OpenCV."""

import os

# From 1.29 on, ONNX Runtime reports what it runs to Microsoft, unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
