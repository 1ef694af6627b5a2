"""/logging: shows and sets the levels of the process log: the Python loggers below `mesh`.

A logger `mesh.x` is called `x` and `mesh` itself `main`, as in the lines of the log. Parameters, levels and errors are Envoy's: `level` for
all, `paths=name:level,...` for some, `name=level` for one; everything is checked before anything is set. Called on the pages' thread."""

from __future__ import annotations

import logging
from typing import Any

from mesh.admin.pages import Query
from mesh.filters import Reply

LEVELS = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "off": logging.CRITICAL + 10,
}
ROOT, ROOT_NAME = "mesh", "main"
USAGE = """usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<group_name>:<level> (change group of loggers)
levels: trace debug info warning error critical off 
"""


class Refused(ValueError):
    """The request is refused, with this text."""


def page(proxy: Any, query: Query) -> Reply:
    loggers = active()
    try:
        for name, level in wanted(query.params, loggers).items():
            loggers[name].setLevel(level)
    except Refused as error:
        return Reply(400, f"error: {error}\n\n{USAGE}{listing(loggers)}")
    return Reply(200, listing(loggers))


def active() -> dict[str, logging.Logger]:
    """The loggers that exist, by the names that the log shows."""
    found = {ROOT_NAME: logging.getLogger(ROOT)}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.startswith(f"{ROOT}.") and isinstance(logger, logging.Logger):
            found[name.removeprefix(f"{ROOT}.")] = logger
    return dict(sorted(found.items()))


def wanted(params: dict[str, str], loggers: dict[str, logging.Logger]) -> dict[str, int]:
    """{logger: level} that the parameters ask for; raises Refused."""
    if len(params) > 1:
        raise Refused("invalid number of parameters")
    for key, value in params.items():
        if key == "group":
            raise Refused("group parameter requires fine-grain logging to be enabled")
        if key == "level":
            return dict.fromkeys(loggers, level_of(value)) if value else {}
        if key != "paths":
            return {name_in(loggers, key, value): level_of(value)} if value else {}
        pairs = [part.partition(":") for part in value.split(",") if part]
        return {name_in(loggers, name, level): level_of(level) for name, _, level in pairs}
    return {}


def level_of(text: str) -> int:
    if text not in LEVELS:
        raise Refused("unknown logger level")
    return LEVELS[text]


def name_in(loggers: dict[str, logging.Logger], name: str, level: str) -> str:
    if not name or not level:
        raise Refused("empty logger name or empty logger level")
    level_of(level)
    if name not in loggers:
        raise Refused("unknown logger name")
    return name


def listing(loggers: dict[str, logging.Logger]) -> str:
    return "active loggers:\n" + "".join(f"  {name}: {shown(logger.getEffectiveLevel())}\n" for name, logger in loggers.items()) + "\n"


def shown(number: int) -> str:
    """The name of the lowest level that a logger lets through."""
    return next((name for name, level in LEVELS.items() if number <= level), "off")
