"""The command line: `python -m bench`; its options are --scenarios, --peers, --rounds, --seconds, --out and --table.

Plans the cells, runs the rounds with a visible progress, prints the tables, appends the rows. Ends with 1 when a cell
failed or a row was refused, with 2 on a wrong name; SIGTERM and Ctrl-C end every process it started.
"""

import signal
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import machine, report, rounds, rows
from bench.failure import BenchFailure
from bench.peers import PEERS
from bench.scenarios import SCENARIOS


def _chosen(_command: click.Context, option: click.Parameter, given: str) -> list[str]:
    known = list(SCENARIOS if option.name == "scenarios" else PEERS)
    names = known if given == "all" else [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise click.BadParameter(f"{', '.join(unknown) or 'nothing'} is not among {', '.join(known)}")
    return [name for name in known if name in names]


@click.command()
@click.option("--scenarios", default="all", callback=_chosen, help=f"of {', '.join(SCENARIOS)}")
@click.option("--peers", default="all", callback=_chosen, help=f"of {', '.join(PEERS)}")
@click.option("--rounds", "n_rounds", default=5, type=click.IntRange(1), show_default=True)
@click.option("--seconds", default=3.0, type=click.FloatRange(0.1), show_default=True, help="length of a measured load")
@click.option(
    "--out", default=rows.RESULTS, type=click.Path(path_type=Path, file_okay=False), help="folder of the rows"
)
@click.option("--table", is_flag=True, help="print the README's table from the newest rows and end")
def main(scenarios: list[str], peers: list[str], n_rounds: int, seconds: float, out: Path, table: bool) -> None:
    """Compares proxies: CPU per request, memory, start; interleaved rounds on pinned cores."""
    wanted = [SCENARIOS[name] for name in scenarios]
    if table:
        click.echo(report.markdown(wanted, {name: rows.newest(out, name) for name in scenarios}))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console()
    cores = machine.cores()
    machine.claim(cores)
    try:
        versions = {name: PEERS[name].version() for name in peers}
        planned = rounds.cells(wanted, [PEERS[name] for name in peers])
        results = _run(console, planned, n_rounds, seconds, cores)
    except BenchFailure as failure:
        raise click.ClickException(str(failure)) from failure
    made, refused = _rows(planned, results, versions, seconds)
    rows.append(made, out)
    for scenario in wanted:
        if found := _of(made, scenario.name):
            report.show(console, scenario, found, _of(made, scenario.baseline))
    for (name, peer), reason in refused.items():
        console.print(f"{name} on {peer}: {reason}", style="red", markup=False, highlight=False)
    sys.exit(1 if refused else 0)


def _run(
    console: Console, planned: list[rounds.Cell], n_rounds: int, seconds: float, cores: machine.Cores
) -> rounds.Results:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as progress:
        task = progress.add_task("starting", total=n_rounds * len(planned))

        def step(turn: int, cell: rounds.Cell) -> None:
            text = f"round {turn + 1}/{n_rounds}  {cell.scenario.name} on {cell.peer.name}"
            progress.update(task, description=text, completed=progress.tasks[0].completed + 1)

        return rounds.run(planned, n_rounds, seconds, cores, step)


def _of(made: list[rows.Row], scenario: str) -> list[rows.Row]:
    return [one for one in made if one["scenario"] == scenario]


def _rows(
    planned: list[rounds.Cell], results: rounds.Results, versions: dict[str, str], seconds: float
) -> tuple[list[rows.Row], dict[tuple[str, str], str]]:
    facts, made, refused = machine.facts(), [], dict(results.failures)
    for cell in planned:
        key = cell.scenario.name, cell.peer.name
        samples = results.samples.get(key, [])
        if key in refused:
            continue
        if reason := rows.refusal(samples):
            refused[key] = reason
        else:
            made.append(rows.row(facts, *key, versions[cell.peer.name], seconds, samples))
    return made, refused


if __name__ == "__main__":
    main()
