"""What networks and peers do wrong, at every step of an exchange, on both sides."""
