"""Caffe nets as Caffe 1.0 reads and sets them up, and what fine-tuning changes in them; pure."""
