"""What keeps requests alive when upstreams do not: retries, hedging, breakers, queues, mirroring, internal redirects."""
