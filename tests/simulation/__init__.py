"""Random lives of FineTuneJobs on the pure decide(), with a simulated clock, and the laws of all of them."""
