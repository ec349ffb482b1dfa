"""The program between FineTuneJobs and Jobs: observe, decide, act. It keeps nothing of its own."""
