"""From an image file to the pixels that are stored."""
