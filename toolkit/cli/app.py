"""The application: commands, and errors turned into one sentence and an exit code."""

from __future__ import annotations

import errno
import importlib.metadata
import re
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from toolkit.cli import (
    audit,
    cache,
    cluster,
    compare,
    data,
    data_export,
    data_relabel,
    embed,
    ensemble,
    export,
    finetune,
    members,
    multitask,
    ovr,
    predict,
    report,
    reproduce,
    suggest,
    track,
)
from toolkit.errors import ToolkitError
from toolkit.runtime.extensions import load_extensions

app = typer.Typer(
    name="toolkit",
    help="Multi-label image classification: honest comparisons of frozen-feature heads, "
    "fine-tuned networks and their ensembles, next to a paper's own numbers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (
    data,
    data_export,
    data_relabel,
    audit,
    suggest,
    embed,
    cache,
    ovr,
    finetune,
    multitask,
    members,
    ensemble,
    compare,
    report,
    predict,
    export,
    track,
    reproduce,
    cluster,
):
    module.add_to(app)


def _version(asked: bool) -> None:
    if asked:
        print(f"toolkit {importlib.metadata.version('toolkit')}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which, and leave."),
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line; ``--debug`` anywhere shows the traceback of an error."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    signal.signal(signal.SIGTERM, _terminate)
    try:
        load_extensions()
        code = app(args=arguments, prog_name="toolkit", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        _say("interrupted; what was finished is kept, and the same command goes on from there")
        code = 130
    except ToolkitError as error:
        if debug:
            raise
        _say(str(error))
        code = error.exit_code
    except BrokenPipeError:
        code = 0  # whoever read our output has seen enough
        sys.stderr.close()
    except Exception as error:
        if debug:
            raise
        # typer's usage errors come from click, which recent releases carry inside
        usage = getattr(error, "format_message", None)
        if usage is None:
            _say(_sentence(error))
        elif type(error).__name__ == "NoArgsIsHelpError":
            print(usage(), file=sys.stderr)
        else:
            _say(_usage(error, usage(), arguments))
        code = 2 if usage else 1
    sys.exit(code or 0)


_KINDS = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
_BOUNDS = {"greater than or equal to": "from", "less than or equal to": "up to"}


def _usage(error: Exception, text: str, arguments: Sequence[str]) -> str:
    """Say what an option expects as verbs say it, where a check of its value failed."""
    kind = re.search(r"Input should be a valid (\w+)", text)
    bound = re.search(rf"Input should be ({'|'.join(_BOUNDS)}) (\S+)", text)
    if kind is None and bound is None:
        return text
    names = list(getattr(getattr(error, "param", None), "opts", ()))
    given = None
    for argument, after in zip(arguments, [*arguments[1:], ""], strict=True):
        name, sign, value = argument.partition("=")
        if name in names:
            given = value if sign else after
    wanted = _KINDS.get(kind[1], kind[1]) if kind else ""
    if bound is not None:
        wanted = f"a number {_BOUNDS[bound[1]]} {bound[2]}"
    found = "" if given is None else f", found {given!r}"
    return f"{names[0] if names else 'an argument'}: expected {wanted}{found}"


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"no space is left for {error.filename or 'what was being written'}: make room and run "
            "the same command again; what was finished before is whole"
        )
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return f"{error.filename} may not be written or read ({error.strerror}): choose --artifacts"
    text = (str(error).strip().splitlines() or [""])[0]
    return f"unexpected {type(error).__name__}: {text} (run again with --debug to see where)"


def _say(sentence: str) -> None:
    print(f"toolkit: {sentence}", file=sys.stderr)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
