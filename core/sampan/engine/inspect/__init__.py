"""Show what Docker's ``inspect`` shows."""
