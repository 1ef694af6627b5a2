"""`python -m mesh validate FILE...`: checks each file and prints one line per problem; nothing is started.

`serve --mode validate` is the same check of one file. Filters written in Python are imported and made. Prints to
stdout what is fine, in Envoy's words, and to stderr what is not; the exit code is 1 when any file was refused. Main
thread."""

from __future__ import annotations

import sys

import click


@click.command("validate", short_help="Check configurations and exit.")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--config-yaml", metavar="YAML", help="YAML merged over each file.")
def command(files: tuple[str, ...], config_yaml: str | None) -> int:
    """Checks FILES (Envoy bootstrap in YAML, JSON, .pb or .pb_text, or mesh.yaml) as `serve` would."""
    return max(check(name, config_yaml) for name in files)


def check(name: str | None, overlay: str | None) -> int:
    """0 and a line on stdout when the file can run, otherwise 1 and its problems on stderr."""
    from mesh.config import ConfigError, load
    from mesh.filters.load import check as check_filters

    try:
        loaded = load(name, overlay=overlay)
        check_filters(loaded.plan)
    except ConfigError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 1
    print(f"configuration '{loaded.origin}' OK")
    return 0
