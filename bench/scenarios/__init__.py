"""What is measured, in the order of the printed table.

To add one: an object with the face of `Scenario` (a load is one entry in load.py), and its place below.
"""

from bench.scenarios import clusters, http2, idle, load, paired, reload, startup
from bench.scenarios.scenario import Scenario

_ALL = (*load.SCENARIOS, *http2.SCENARIOS, *paired.SCENARIOS, idle.SCENARIO, startup.SCENARIO, reload.SCENARIO, clusters.SCENARIO)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
