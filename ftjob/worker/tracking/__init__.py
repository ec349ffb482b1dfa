"""A run's metrics where people compare runs: TensorBoard's event files, and an MLflow server."""
