"""Conformance kits for plugin authors, one per slot."""
