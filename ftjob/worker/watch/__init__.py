"""What is watched beside the training: signals, a spot instance's notice, a GPU that does nothing."""
