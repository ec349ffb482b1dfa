"""What a caffemodel holds, and what of it Caffe copies into a net."""
