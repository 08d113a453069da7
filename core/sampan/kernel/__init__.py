"""System calls and kernel interfaces, one concern per module; nothing here knows what a container is."""
