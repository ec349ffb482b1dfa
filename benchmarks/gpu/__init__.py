"""What a GPU makes of ftjob, beside the best that plain PyTorch makes of it in the same run."""
