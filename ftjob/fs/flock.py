"""A lock on an open file. Caffe's process takes one too, under Python 3.7."""

import fcntl


def acquire(handle: int, *, shared: bool = False, wait: bool) -> bool:
    """Hold an open file, alone or shared, until it is closed or this process ends.

    Without `wait`, return False where another process holds it.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
