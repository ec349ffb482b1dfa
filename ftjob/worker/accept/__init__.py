"""Whether a run's result is accepted: by what numbers, on which images, against which earlier run."""
