"""Keep a process with the modules imported for a while, and fork it for the next commands; docs/standby.md."""
