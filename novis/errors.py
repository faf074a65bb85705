"""The one exception that a user is meant to read."""


class InputError(Exception):
    """Something outside the program is wrong: a file, a key, a disk.

    The message stands alone: it names the file (and the video, instance or key in
    it), says what is wrong and what to do. The command line prints it without a
    traceback and exits with status 2.
    """
