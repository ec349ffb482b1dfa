"""Threads and time: processors to use, work done ahead, calls made every so often or again."""
