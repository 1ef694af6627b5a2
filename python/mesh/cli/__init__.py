"""The commands of `python -m mesh`, one file per verb.

Owns the way to a verb and the way out: a verb's module is imported when it is asked for (a start has 0.3 s), and
every expected failure leaves as one line per problem on stderr and exit code 1, without a traceback. Runs on the main
thread."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from mesh import __version__

VERBS = {
    "serve": "Run a proxy from an Envoy bootstrap or a mesh.yaml.",
    "validate": "Check configurations and exit.",
    "explain": "Say why a request takes its route.",
    "convert": "Print the Envoy bootstrap that a configuration becomes.",
}


class Verbs(click.Group):
    """Imports `mesh.cli.<verb>` when the verb is used; the list of verbs costs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        import importlib

        command: click.Command = importlib.import_module(f"mesh.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from mesh.config.errors import nearest

            verbs = ", ".join(VERBS)
            raise click.UsageError(f"no such command '{args[0]}'; one of {verbs}{nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version=__version__, prog_name="mesh")
@click.pass_context
def program(ctx: click.Context) -> None:
    """A service mesh whose data plane is a native engine inside a Python package."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits: 0 when it did what was asked, 1 otherwise."""
    from mesh.config.errors import ConfigError

    try:
        code = program.main(args=arguments, prog_name="mesh", standalone_mode=False)
    except ConfigError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        code = 1
    except click.ClickException as error:
        print(f"error: {error.format_message()}", file=sys.stderr)
        code = 1
    except (click.Abort, KeyboardInterrupt):
        code = 1
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
