"""Models in use: aliases of runs, the history of their promotions, and where a model came from."""
