"""A planned net as a picture."""
