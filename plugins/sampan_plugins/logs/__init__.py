"""Log drivers."""
