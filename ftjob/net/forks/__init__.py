"""Prototxts and caffemodels of Caffe's forks, in the form of Caffe 1.0."""
