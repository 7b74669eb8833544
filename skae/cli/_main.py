"""Parse the command line, run one command, and turn what happens into an exit status."""

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from ._commands import COMMANDS
from ._parser import make_parser

# As of other commands: 1 for a failure, 2 for a wrong call (argparse's), 128 + 2 for Ctrl-C.
_FAILED = 1
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The arguments after the name of the command. If None, those of the process.

    Returns
    -------
    int
        The exit status: 0, or 1 if the command failed, with a line on why on the standard error.
        130 if it was interrupted.

    Raises
    ------
    SystemExit
        With status 2 if the arguments are wrong, and 0 after ``--help`` and ``--version``.
    """
    parsed = make_parser(version("skae")).parse_args(arguments)
    with _short_warnings():
        try:
            return COMMANDS[parsed.command](parsed)
        except KeyboardInterrupt:
            sys.stderr.write("skae: interrupted\n")
            return _INTERRUPTED
        except BrokenPipeError:
            # The reader, such as `head`, has seen enough. Python would complain while it flushes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _FAILED
        # Whatever is wrong with files or data: a person needs the message, not the traceback.
        except Exception as error:  # noqa: BLE001
            return _report(error, parsed)


def _report(error: Exception, parsed: argparse.Namespace) -> int:
    if parsed.traceback:
        traceback.print_exception(error)
    # Of a file, its name and what is wrong with it, without the number of the error.
    file = getattr(error, "filename", None)
    text = f"{file}: {getattr(error, 'strerror', error)}" if file else str(error)
    message = " ".join(text.split()) or type(error).__name__
    sys.stderr.write(f"skae {parsed.command}: error: {message}\n")
    return _FAILED


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Show warnings as a line each on the standard error, without the source they come from."""

    def show(message: Any, *_: Any, **__: Any) -> None:
        sys.stderr.write(f"skae: warning: {' '.join(str(message).split())}\n")

    with warnings.catch_warnings():
        # Not `warnings.simplefilter`: what the user's PYTHONWARNINGS says still holds.
        warnings.showwarning = show
        yield
