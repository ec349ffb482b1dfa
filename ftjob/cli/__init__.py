"""The command line: one file for each verb or noun, and what people see."""
