"""Threads and time: processors to use, work done ahead, periodic calls and retries."""
