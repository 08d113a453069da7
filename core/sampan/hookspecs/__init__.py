"""The hooks plugins implement: signatures and docstrings only."""
