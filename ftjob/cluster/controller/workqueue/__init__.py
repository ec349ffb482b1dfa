"""Which objects are due, and the threads that take them."""
