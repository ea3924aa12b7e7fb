"""Running a command: an error that a person can act on ends as one line and an exit code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import click

from singer_kit.errors import FatalError

INTERRUPTED = 130
"""128 + SIGINT, the convention of shells."""

config_option = click.option(
    "--config",
    "config_files",
    multiple=True,
    type=click.Path(),
    help="Settings file, besides the environment.",
)
"""`--config FILE`, for commands beside the SDK's own; `settings_from_files` reads them."""


def run_command(
    command: Callable[..., Any],
    name: str,
    arguments: Sequence[str],
    *,
    expected: tuple[type[Exception], ...] = (),
    on_failure: Callable[[int], None] = lambda code: None,
) -> int:
    """Run a click command under a program's name; returns the exit code.

    A `FatalError`, or one of the `expected` errors, is logged as one line without a traceback,
    then `on_failure` is called with the exit code: the error's own, or 1. Other errors pass.
    """
    one_line: tuple[type[Exception], ...] = (FatalError, *expected)
    try:
        returned = command(args=list(arguments), prog_name=name, standalone_mode=False)
    except one_line as error:
        logging.getLogger(name).error("%s", error)
        code = error.exit_code if isinstance(error, FatalError) else 1
        on_failure(code)
        return code
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return 1
    return returned if isinstance(returned, int) else 0
