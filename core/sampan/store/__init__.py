"""Where state lives: SQLite for what is known, files named by digest for content, and the order between them."""
