"""Share what network drivers do alike: choose subnets, lend addresses, keep records, lock, read options."""
