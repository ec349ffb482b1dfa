"""Learning-rate range tests: the run that one is, and the rate that its curve suggests. Pure."""
