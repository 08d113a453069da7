"""Docker's json-file format."""
