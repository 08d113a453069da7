"""The lazy shell: finds commands, prints errors, chooses exit codes; holds no command."""
