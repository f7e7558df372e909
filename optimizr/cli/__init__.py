"""The command line program: one file a command.

Flags become Settings, a run becomes a report and an exit code. Only here are flags read, is
logging set up, is anything printed, and does the process exit.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper

from optimizr._version import __version__
from optimizr.cli.stdout import complain, say, write
from optimizr.errors import ConfigError, ExitCode, OptimizrError, mistake

COMMANDS = {
    "run": "convert a folder of pictures",
    "enqueue": "fill a queue with the pictures of an input, for workers to take",
    "prune": "remove WebPs whose pictures are gone",
    "presign": "write signed URLs of the WebPs in a bucket",
    "report": "make a run's report from its logs",
    "compare": "tell how two pictures or folders look beside each other",
    "schema": "print the JSON Schema of the settings",
    "tune": "try a sample of your pictures, and say which workers and effort to use",
    "doctor": "tell what this machine gives, and what to mend",
    "probe": "ask a run that is under way whether it is alive or ready",
}

USAGE = f"""usage: optimizr COMMAND ...

Turns whole picture libraries into WebP.

commands:
{"".join(f"  {name:<10}{meaning}{chr(10)}" for name, meaning in COMMANDS.items())}
  optimizr COMMAND --help   tells more of one
  optimizr --version        prints the version
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; give the exit code (see `optimizr.errors.ExitCode`)."""
    # Process 1, as in a container, is spared what no handler waits for; a run has one of its own.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(ExitCode.TERMINATED))
    _settle_streams()
    for name in ("G_MESSAGES_DEBUG", "VIPS_INFO"):
        os.environ.pop(name, None)  # GLib would write between the events on stdout
    try:
        return _dispatch(sys.argv[1:] if argv is None else argv)
    except ConfigError as error:
        return _say(error, ExitCode.USAGE)
    except OptimizrError as error:
        return _say(error, ExitCode.ENVIRONMENT)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED  # before a run listens to signals, or in another command
    except BrokenPipeError:
        return ExitCode.ENVIRONMENT  # whoever read our output has left
    except Exception as error:  # noqa: BLE001 - told as what it is, and by the exit code
        traceback.print_exception(error)
        say(mistake(error))
        return ExitCode.ENVIRONMENT
    finally:
        _forget_unwritten_output()


def _dispatch(argv: list[str]) -> int:
    name = argv[0] if argv else ""
    if name in ("-h", "--help", "help"):
        write(USAGE)
        return ExitCode.DONE
    if name in ("-V", "--version"):
        write(f"optimizr {__version__}\n")
        return ExitCode.DONE
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean `optimizr {near[0]}`?" if near else "see `optimizr --help`"
        raise ConfigError(f"expected one of {', '.join(COMMANDS)}, got {name!r}; {hint}")
    command: Callable[[list[str]], int] = import_module(f"optimizr.cli.{name}").main
    return command(argv[1:])


def _settle_streams() -> None:
    """Write UTF-8 whatever the locale, and nowhere where a stream was closed by who started us."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # the next file opened would get its number
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
        elif number and isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _forget_unwritten_output() -> None:
    """Flush stdout, or send what is left nowhere: Python would complain while it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(error: Exception, code: ExitCode) -> int:
    complain(str(error))
    return code
