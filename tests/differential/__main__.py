"""The command line of the harness: `python -m tests.differential --score`, `--self`, `--show NAME`, `--config
NAME`, `--list`.

Prints; decides nothing. Exit code 0 when every difference is known and none of the known ones has vanished, 1
otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.differential.case import Case, CaseError, load_cases, select
from tests.differential.config import Ports, build_bootstrap
from tests.differential.report import report, summary
from tests.differential.session import compare_proxies
from tests.differential.show import show_case


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument(
        "--score", action="store_true", help="play the cases through both proxies and print the score (the default)"
    )
    parser.add_argument(
        "--self", action="store_true", dest="itself", help="Envoy against Envoy: proves that the comparison is fair"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only cases of this name; may hold * and be repeated",
    )
    parser.add_argument(
        "--subject", action="append", default=[], metavar="FILE", help="only the cases of this file, without .yaml"
    )
    parser.add_argument(
        "--show", action="append", default=[], metavar="NAME", help="both transcripts of a case side by side"
    )
    parser.add_argument("--show-failing", action="store_true", help="both transcripts of every case that differs")
    parser.add_argument(
        "--config", metavar="NAME", help="print the bootstrap of one case and exit, to start a proxy by hand"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases and exit")
    parser.add_argument("--brief", action="store_true", help="the score and the names only, no table of differences")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write score and differences to FILE")
    parser.add_argument("--jobs", type=int, default=32, help="cases that play at the same time (default 32)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep bootstrap files, proxy output and access logs in DIR"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    console = Console(width=None if sys.stdout.isatty() else 200)
    try:
        every = load_cases()
        cases = select(every, options.only + options.show, options.subject)
        if options.list:
            for case in cases:
                console.print(f"{case.subject:24} {case.name}", highlight=False)
            return 0
        if options.config:
            print(json.dumps(_single(select(every, [options.config])[0]), indent=2))
            return 0
        comparison = asyncio.run(compare_proxies(cases, every, options.itself, options.jobs, options.keep))
    except CaseError as error:
        console.print(Text(str(error), style="red"))
        return 2
    second = "envoy again" if options.itself else "ours"
    for case in cases:
        verdict = comparison.verdicts[case.name]
        if case.name in select_names(every, options.show) or (options.show_failing and not verdict.same):
            show_case(console, verdict, comparison.reference[case.name], comparison.ours[case.name], second)
    if not options.show:
        report(console, comparison, options.brief, second)
    if options.json:
        options.json.write_text(json.dumps(summary(comparison), indent=1))
    return 0 if not any(verdict.surprising for verdict in comparison.verdicts.values()) else 1


def select_names(every: list[Case], patterns: list[str]) -> set[str]:
    return {case.name for case in select(every, patterns)} if patterns else set()


def _single(case: Case) -> dict[str, object]:
    """The bootstrap with ports that are easy to remember: listener 10000, admin 9901, upstreams from 10001."""
    ports = Ports(10000, {name: 10001 + i for i, name in enumerate(case.upstreams)})
    return build_bootstrap([case], {case.name: ports}, 9901, Path(tempfile.gettempdir()))


if __name__ == "__main__":
    sys.exit(main())
