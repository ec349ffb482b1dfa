"""What is watched during training: signals, a spot instance's notice, an idle GPU."""
