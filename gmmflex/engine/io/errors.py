"""The one exception that means: the user can put this right."""


class UserError(Exception):
    """A fault in a file or parameter that the user gave.

    The message is one sentence that names the file or parameter, says what is wrong and
    what to do. The command line prints it without a traceback and exits with code 2.
    """
