"""The FineTuneJob and the objects made from it, as the API server has them."""
