"""From images to a dataset that Caffe reads."""
