"""What runs under Caffe's own Python: its folder is the script's path there, so siblings import each other bare."""
