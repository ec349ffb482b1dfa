"""One module a page: what it reads, and ROUTES."""
