"""A net as Caffe's net.cpp sets it up: phases, splits, params, shapes, the backward pass."""
