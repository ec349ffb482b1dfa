"""What a run teaches: its worst mistakes, and what to try next."""
