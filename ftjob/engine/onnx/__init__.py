"""Bundles' nets as ONNX: translated from prototxt and caffemodel, run by ONNX Runtime and OpenCV."""
