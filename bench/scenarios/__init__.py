"""What is measured, in the order of the printed table.

To add one: an object with the face of `Scenario` (a load is one entry in load.py), and its place below.
"""

from bench.scenarios import clusters, http2, idle, load, paired, reload, startup, tls
from bench.scenarios.scenario import Scenario

_LOADS = (*load.SCENARIOS, *http2.SCENARIOS, *paired.SCENARIOS, *tls.SCENARIOS)
_ALL = (*_LOADS, idle.SCENARIO, startup.SCENARIO, reload.SCENARIO, clusters.SCENARIO)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
