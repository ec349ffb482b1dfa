"""Runs beside one another: accuracy with intervals, classes, images, money, specs."""
