"""What drives a proxy: wrk for load, plain sockets for idle connections."""
