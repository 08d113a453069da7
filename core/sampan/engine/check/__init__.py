"""Verify the store, one theme per module, and mend what can be mended without loss (``system check``)."""
