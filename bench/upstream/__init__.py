"""The server behind every proxy of the comparison."""
