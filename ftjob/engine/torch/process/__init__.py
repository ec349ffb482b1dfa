"""What PyTorch's process runs, under ftjob's own Python: with all of ftjob, and torch."""
