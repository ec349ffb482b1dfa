"""What Caffe's process runs, under Caffe's own Python: 3.7, its library, numpy, caffe and engine/process."""
