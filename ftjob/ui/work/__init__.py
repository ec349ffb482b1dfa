"""What pages do that takes longer than a request, and what is kept for it between requests."""
