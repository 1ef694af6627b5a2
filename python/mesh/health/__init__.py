"""The health of hosts: active checks and the judgement of outlier detection, off the workers.

`Health` (monitor.py) is what a proxy has of it: one thread with an asyncio loop, started with the first cluster that needs it. checker.py
runs the checks of one cluster by the clock of agenda.py and the rules of state.py, each kind of check is a file with a Probe, detector.py
judges what the workers counted. What they decide are health bits of hosts; the publisher makes host sets of those.
"""

from mesh.health.monitor import Health

__all__ = ("Health",)
