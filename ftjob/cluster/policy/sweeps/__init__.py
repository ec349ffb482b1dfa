"""Decides about a FineTuneJob that is a sweep; its members are FineTuneJobs of their own."""
