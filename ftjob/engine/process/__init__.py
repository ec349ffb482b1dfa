"""What each engine's process runs. Caffe's own Python imports it: Python 3.7, its library and numpy only."""
