# SPDX-License-Identifier: Apache-2.0
"""Entry point of the command line, and the border where every error becomes two readable lines."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from innerwarden import __version__
from innerwarden.ctl import commands, plain
from innerwarden.ctl.output import shown
from innerwarden.errors import InnerWardenError

EXIT_FINE, EXIT_FINDINGS, EXIT_USAGE, EXIT_CANNOT_RUN = 0, 1, 2, 3

EPILOG = "Exit codes: 0 fine, 1 findings or failed checks, 2 wrong usage, 3 cannot run here."


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"innerwarden {__version__}")
        raise typer.Exit


def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Endpoint detection and response for Linux. Nothing is blocked until you say so."""
    if debug:
        os.environ["INNERWARDEN_DEBUG"] = "1"


def build() -> typer.Typer:
    """The whole command tree; a file dropped into commands/ is enough to add one."""
    app = typer.Typer(
        name="innerwarden",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich costs more start time than the rest of --help together
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=EPILOG,
    )
    app.callback(epilog=EPILOG)(_root)
    for module in pkgutil.iter_modules(commands.__path__):
        import_module(f"{commands.__name__}.{module.name}").register(app)
    return app


def main() -> None:
    """Run the command that argv names and exit with its code."""
    try:
        if not plain.run(sys.argv[1:]):
            build()(prog_name="innerwarden")
    except InnerWardenError as error:
        sys.exit(report(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (head, less) went away; Python would otherwise complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FINE)
    except ImportError as error:
        if not (error.name or "").startswith("innerwarden_core"):
            sys.exit(_unexpected(error))
        sys.exit(
            report(InnerWardenError(f"the native part is not built for this Python: {error}", "make build"))
        )
    except Exception as error:
        if os.environ.get("INNERWARDEN_DEBUG") == "1":
            raise
        sys.exit(_unexpected(error))


def report(error: InnerWardenError) -> int:
    """Print problem and remedy to stderr; returns the error's exit code."""
    for number, line in enumerate(str(error.problem).splitlines()):
        print(f"error: {shown(line)}" if number == 0 else f"  {shown(line)}", file=sys.stderr)
    if error.remedy:
        print(f"try: {shown(error.remedy)}", file=sys.stderr)
    return error.exit_code


def _unexpected(error: Exception) -> int:
    """One line for the person; the traceback goes to a file that only they can read."""
    print(f"error: unexpected {type(error).__name__}: {shown(str(error))}", file=sys.stderr)
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix="innerwarden-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"innerwarden {__version__} argv={sys.argv!r}\n")
            traceback.print_exception(error, file=file)
        print(f"try: read {Path(name)}, or repeat with `innerwarden --debug ...`", file=sys.stderr)
    return EXIT_CANNOT_RUN
