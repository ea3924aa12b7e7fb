"""Running a command: every error ends as one line and an exit code, never as a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import click

from singer_kit.errors import FatalError
from singer_kit.unexpected import HINT, OPTION, described, write_traceback

QUIET = ("urllib3", "requests")
"""Libraries that log URLs at DEBUG, which may be signed."""
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
    packages: Sequence[str] = ("singer_kit",),
    expected: tuple[type[Exception], ...] = (),
    let_pass: tuple[type[Exception], ...] = (),
    on_failure: Callable[[int], None] = lambda code: None,
) -> int:
    """Run a click command under a program's name; returns the exit code.

    A `FatalError`, or one of the `expected` errors, is logged as one line, its own. Of any other
    error the line names the class and the last place in one of our `packages`. Then `on_failure` is
    called with the exit code: the error's own, or 1. Only errors in `let_pass` leave this function.
    """
    one_line: tuple[type[Exception], ...] = (FatalError, *expected)
    wants_traceback = OPTION in arguments
    arguments = [argument for argument in arguments if argument != OPTION]
    logger = logging.getLogger(name)
    for library in QUIET:
        logging.getLogger(library).setLevel(logging.INFO)
    try:
        returned = command(args=arguments, prog_name=name, standalone_mode=False)
    except one_line as error:
        logger.error("%s", error)
        code = error.exit_code if isinstance(error, FatalError) else 1
        on_failure(code)
        return code
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return 1
    except let_pass:
        raise
    except Exception as error:  # noqa: BLE001  # the last handler: its text may quote a record
        logger.error("%s failed unexpectedly: %s. %s", name, described(error, packages), HINT)
        if wants_traceback:
            logger.info("the traceback is in %s", write_traceback(error, name))
        on_failure(1)
        return 1
    return returned if isinstance(returned, int) else 0
