"""The one exception that means: the user can put this right."""

_MOST_CHARACTERS = 1000


class UserError(Exception):
    """A fault in a file or parameter that the user gave.

    The message is one sentence that names the file or parameter, says what is wrong and
    what to do. The command line prints it without a traceback and exits with code 2.

    It may quote what a damaged file holds, so it is made fit for a terminal: one line, of no more
    than 1000 characters, and whatever does not print, such as an escape sequence, spelled out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_printable(message))


def _printable(message: str) -> str:
    line = " ".join(message.split())
    if not line.isprintable():
        line = "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line
        )
    if len(line) <= _MOST_CHARACTERS:
        return line
    # what is wrong and what to do stand at the two ends
    half = _MOST_CHARACTERS // 2 - 3
    return f"{line[:half]} ... {line[-half:]}"
