"""Envoy's command line, as far as mesh does not have it: told apart from a typo, and refused by name.

`ACCEPTED_FLAGS` are options under which mesh does what it does anyway (it has no hot restart to disable, and warns of
no deprecated field). Options that take values and would change nothing are refused all the same: their value would be
ignored. Read by serve.py before click sees the arguments.
"""

from __future__ import annotations

ACCEPTED_FLAGS = frozenset({"--disable-hot-restart", "--skip-deprecated-logs", "--skip-hot-restart-on-no-parent"})
REFUSED = frozenset(
    {
        "--component-log-level", "--log-format", "--log-format-escaped", "--enable-fine-grain-logging",
        "--log-stacktrace-single-entry", "--base-id", "--use-dynamic-base-id", "--base-id-path", "--restart-epoch",
        "--hot-restart-version", "--skip-hot-restart-parent-stats", "--socket-path", "--socket-mode",
        "--parent-shutdown-time-s", "--file-flush-interval-msec", "--file-flush-min-size-kb",
        "--local-address-ip-version",
        "--allow-unknown-fields", "--allow-unknown-static-fields", "--reject-unknown-dynamic-fields",
        "--ignore-unknown-dynamic-fields", "--disable-extensions", "--cpuset-threads", "--enable-mutex-tracing",
        "--enable-core-dump", "--stats-tag", "--log-path",
    }
)  # fmt: skip


def refused(arguments: list[str]) -> str | None:
    """The first argument that is an option of Envoy's that mesh does not have."""
    for argument in arguments:
        if argument == "--":
            return None
        if argument.partition("=")[0] in REFUSED:
            return argument.partition("=")[0]
    return None
