"""Find, choose, check and call plugins: the single door, for bundled and third-party ones alike."""
