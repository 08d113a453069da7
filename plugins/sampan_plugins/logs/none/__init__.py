"""No logs at all."""
