"""Start real services for tests: registries, token servers, images in them, and faults on the way to them."""
