"""Which native operations the nodes of a graph become: a family of operators a file."""
