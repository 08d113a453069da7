"""What a driver of each slot is: small abstract classes, free of how drivers are registered."""
