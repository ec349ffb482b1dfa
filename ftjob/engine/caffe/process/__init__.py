"""What runs under Caffe's own Python, where this folder is the path: siblings import each other bare."""
