"""The demo: a classifier of handwritten digits, fine-tuned on ten images per class."""
