"""What every engine's process runs. Caffe's own Python reads it: Python 3.7, its library and numpy alone."""
