"""Let the containers on a network of one's own find each other by name: the sockets, the server, what it knows."""
