"""`python -m mesh convert FILE`: prints the Envoy bootstrap that a configuration becomes.

The configuration is checked first, so what is printed can run; Envoy runs it too, unless it holds a Python filter.
Every format that loads can be written: YAML for people, JSON and text for tools, binary for the fastest start. Main
thread; writes to stdout or to one file."""

from __future__ import annotations

import sys
from typing import Any

import click

FORMATS = ("yaml", "json", "pb", "pb_text")


@click.command("convert", short_help="Print the Envoy bootstrap that a configuration becomes.")
@click.argument("file", type=click.Path())
@click.option(
    "--to", "form", type=click.Choice(FORMATS), default="yaml", show_default=True, help="Format of the output."
)
@click.option("--config-yaml", metavar="YAML", help="YAML merged over the file.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="File to write instead of stdout.")
def command(file: str, form: str, config_yaml: str | None, output: str | None) -> int:
    """Reads FILE (mesh.yaml, or an Envoy bootstrap in any format) and prints it as an Envoy bootstrap."""
    from mesh.config import load

    rendered = render(load(file, overlay=config_yaml).bootstrap, form)
    if output is None:
        sys.stdout.buffer.write(rendered)
        sys.stdout.buffer.flush()
        return 0
    try:
        with open(output, "wb") as target:
            target.write(rendered)
    except OSError as error:
        raise click.ClickException(f"{output}: cannot be written: {error.strerror}") from None
    return 0


def render(bootstrap: Any, form: str) -> bytes:
    """The message in one of FORMATS."""
    from mesh.config.render import to_tree, to_yaml

    if form == "yaml":
        return to_yaml(to_tree(bootstrap)).encode()
    if form == "json":
        import json

        return (json.dumps(to_tree(bootstrap), indent=2, ensure_ascii=False) + "\n").encode()
    if form == "pb":
        return bytes(bootstrap.SerializeToString(deterministic=True))
    from google.protobuf import text_format

    return str(text_format.MessageToString(bootstrap)).encode()
