"""`python -m mesh explain -c FILE --host H --path P`: why a request takes its route, and what will be done with it.

Prints the decision tree: listener, virtual host, every route that was tried with the reason why it did not match, the
one that did, and its cluster, rewrites, timeouts, retries and headers. Exit code 0: a route was found, 1: none, 2: the
configuration or the question is wrong. Starts nothing."""

from __future__ import annotations

import sys

import click

NO_ROUTE, WRONG = 1, 2


@click.command("explain", short_help="Say why a request takes its route.")
@click.option("-c", "--config-path", metavar="FILE", required=True, help="Envoy bootstrap or mesh.yaml.")
@click.option("--config-yaml", metavar="YAML", help="YAML merged over the file.")
@click.option("--host", required=True, metavar="HOST[:PORT]", help="The host of the request.")
@click.option("--path", required=True, metavar="PATH", help="Its path, query included.")
@click.option("--method", default="GET", metavar="METHOD", show_default=True)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header; may be repeated.")
@click.option("--scheme", type=click.Choice(["http", "https"]), default="http", show_default=True)
@click.option("--source", metavar="IP:PORT", help="The client's address.")
@click.option("--random", type=click.IntRange(min=0), default=0, metavar="N", help="The number that decides fractions and weights.")
@click.option("--listener", metavar="NAME", help="The listener that gets the request.")
@click.option("--chain", metavar="NAME", help="Its filter chain, or the stat_prefix of the connection manager there.")
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
def command(
    config_path: str,
    config_yaml: str | None,
    headers: tuple[str, ...],
    listener: str | None,
    chain: str | None,
    as_json: bool,
    **asked: str,
) -> int:
    """Explains how a request is routed."""
    from mesh.config import ConfigError, load, locator
    from mesh.explain import Request, explain

    request = Request(headers=tuple(map(_pair, headers)), **asked)  # type: ignore[arg-type]
    try:
        found = explain(load(config_path, overlay=config_yaml), request, listener, locator(config_path, overlay=config_yaml), chain)
    except ConfigError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return WRONG
    except KeyError as error:
        print(f"error: listener: {error.args[0]}", file=sys.stderr)
        return WRONG
    if as_json:
        import json

        print(json.dumps(found.as_tree(), indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        from mesh.explain.report import show

        show(found, Console(highlight=False))
    return NO_ROUTE if found.action == "none" else 0


def _pair(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{text!r} is no header; write 'name: value'", param_hint="--header")
    return name.strip().lower(), value.strip()
