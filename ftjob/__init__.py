"""Fine-tune Caffe image classifiers as batch jobs, within a stated number of dollars."""

from ftjob.api import Run, find, list_runs, submit, verify

__all__ = ["Run", "find", "list_runs", "submit", "verify"]
