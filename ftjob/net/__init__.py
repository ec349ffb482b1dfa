"""Caffe's nets as Caffe 1.0 sets them up: prototxts, caffemodels, shapes, surgery, built-in nets. Pure."""
