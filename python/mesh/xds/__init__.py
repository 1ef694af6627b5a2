"""Dynamic configuration: resources that change while the proxy runs.

response.py reads a DiscoveryResponse from a file; watch.py says when a file was replaced; subscription.py joins the two and counts;
running.py knows what the resources are for: clusters, hosts of clusters, listeners, routes. Sources that speak to a server will stand
beside subscription.py: whatever has its face can feed running.py.
"""
