"""What a person sees: a table per scenario after a run, and the Markdown table of the README.

Reads rows, measures nothing. The ratio is that of the medians of one interleaved run: ours over the peer, so less
than one is in our favour.
"""

from rich import box
from rich.console import Console
from rich.table import Table

from bench.rows import Row
from bench.scenarios.scenario import Scenario

NOISY_SHARE = 0.05
PRODUCTS = ("nginx", "haproxy", "envoy")
ORDER = ("relay", "nginx", "haproxy", "envoy", "ours")


def median(made: Row, metric: str) -> float:
    return float(made[metric]["median"])


def ratio(rows: list[Row], metric: str, peer: str) -> float | None:
    """Ours over `peer`; None where one of them is missing or nothing can be divided."""
    by_peer = {made["peer"]: median(made, metric) for made in rows}
    if "ours" not in by_peer or not by_peer.get(peer):
        return None
    return by_peer["ours"] / by_peer[peer]


def show(console: Console, scenario: Scenario, rows: list[Row], baseline: list[Row]) -> None:
    """Prints one scenario of a run, and its baseline's share in it; what is hidden here stands in the row."""
    hidden = {scenario.headline, "p50_us", "cpu_share", "others_share"}
    rest = [metric for metric, value in rows[0].items() if isinstance(value, dict) and metric not in hidden]
    base = _medians(baseline, scenario.headline, rows[0]["date"])
    noisy = [made for made in rows if "others_share" in made and median(made, "others_share") > NOISY_SHARE]
    table = Table(
        title=f"{scenario.title} [dim]({scenario.name}, {scenario.unit})[/]", title_justify="left", box=box.SIMPLE
    )
    table.add_column("peer", no_wrap=True)
    table.add_column("median", justify="right")
    table.add_column("min..max", justify="right", no_wrap=True)
    for heading in (*(["ours is"] if len(rows) > 1 else []), *([f"/ {scenario.baseline}"] if base else []), *rest):
        table.add_column(heading, justify="right")
    for made in rows:
        spread = made[scenario.headline]
        cells = [f"{made['peer']}{' *' if made in noisy else ''}", f"[bold]{_short(spread['median'])}[/]"]
        cells.append(f"{_short(spread['min'])}..{_short(spread['max'])}")
        if len(rows) > 1:
            cells.append("" if made["peer"] == "ours" else _times(ratio(rows, scenario.headline, made["peer"])))
        if base:
            cells.append(_times(spread["median"] / base[made["peer"]] if base.get(made["peer"]) else None))
        table.add_row(*cells, *(_short(median(made, metric)) for metric in rest))
    console.print(table)
    if noisy:
        console.print(
            f"* something else used more than {NOISY_SHARE:.0%} of the proxy's core: repeat on a quiet machine\n"
        )


def markdown(scenarios: list[Scenario], rows: dict[str, list[Row]]) -> str:
    """The README's table from the newest rows of every scenario, with what the numbers were made on."""
    lines = [
        "| scenario | unit | " + " | ".join(ORDER) + " | ours / " + " | ours / ".join(ORDER[:-1]) + " |",
        "|---|---|" + "---:|" * (2 * len(ORDER) - 1),
    ]
    for scenario in scenarios:
        found = rows.get(scenario.name)
        if found:
            lines.append(_line(scenario, scenario.headline, scenario.unit, found, rows.get(scenario.baseline, [])))
            lines += [_line(scenario, metric, unit, found, []) for metric, unit in scenario.also.items()]
    return "\n".join(
        [*lines, *_beside(scenarios, rows), "", _origin([made for found in rows.values() for made in found])]
    )


def _line(scenario: Scenario, metric: str, unit: str, found: list[Row], baseline: list[Row]) -> str:
    by_peer = {made["peer"]: made for made in found}
    base = _medians(baseline, metric, found[0]["date"])
    values = []
    for peer in ORDER:
        made = by_peer.get(peer)
        value = "" if made is None else _short(median(made, metric))
        if made is not None and base.get(peer):
            value += f" ({median(made, metric) / base[peer]:.2f} x {scenario.baseline})"
        values.append(value)
    ratios = [ratio(found, metric, peer) for peer in ORDER[:-1]]
    shown = ["" if times is None else f"{times:.2f}" for times in ratios]
    return f"| {scenario.title} | {unit} | " + " | ".join(values + shown) + " |"


def _medians(rows: list[Row], metric: str, date: str) -> dict[str, float]:
    """Medians by peer, of rows from the run of `date` only: others were not interleaved with it."""
    return {made["peer"]: median(made, metric) for made in rows if made["date"] == date}


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} x"


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def _beside(scenarios: list[Scenario], rows: dict[str, list[Row]]) -> list[str]:
    """A sentence per peer that has no column of its own."""
    said: dict[str, list[str]] = {}
    for scenario in scenarios:
        for made in rows.get(scenario.name, []):
            if made["peer"] not in ORDER:
                said.setdefault(made["peer"], []).append(f"{scenario.title} {_short(median(made, scenario.headline))}")
    return [line for peer, parts in said.items() for line in ("", f"Beside them, {peer}: {', '.join(parts)}.")]


def _origin(rows: list[Row]) -> str:
    if not rows:
        return "No results yet: `python -m bench` makes them."
    products = [made for made in rows if made["peer"] in PRODUCTS]
    versions = sorted({f"{made['peer']} {made['version']}" for made in products})
    commits, dates = sorted({made["commit"] for made in rows}), sorted({made["date"][:10] for made in rows})
    rounds = sorted({f"{made['rounds']} rounds of {made['seconds']:g} s" for made in rows})
    return (
        f"Medians of interleaved rounds ({', '.join(rounds)}) on {rows[0]['cpu']}, one worker on one core, load and "
        f"upstream on another; {', '.join(versions)}; commit {', '.join(commits)}, {', '.join(dates)}."
    )
