"""Prototxts and caffemodels of older versions of Caffe, in today's form."""
