"""The documents of a run's folder beside its status: one model, one reader and one writer each.

Readers are strict: nothing is converted, numbers are finite and in range, fields of a newer ftjob are passed
over. The models are plain dataclasses, since pydantic, which checks what is read, is slow to import.
"""
