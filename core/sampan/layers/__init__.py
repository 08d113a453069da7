"""Layer archives: read, extract, write and compare them."""
