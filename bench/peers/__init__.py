"""The proxies that are compared, one file each, in the order in which they take their turns.

A peer writes its configuration and says how it is started; it starts nothing itself. To add one: a file here with a
`PEER`, and its line below.
"""

from bench.peers import envoy, haproxy, nginx, ours, relay
from bench.peers.peer import Peer

PEERS: dict[str, Peer] = {
    peer.name: peer for peer in (relay.PEER, nginx.PEER, haproxy.PEER, haproxy.SPLICING, envoy.PEER, ours.PEER)
}
