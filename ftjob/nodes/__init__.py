"""Node profiles: GPU, memory, speed and price of the places a run can be put."""
