"""The connections that the kernel makes for a listening socket before a program accepts them."""

import ctypes
import socket
import struct
from contextlib import suppress

SO_ATTACH_FILTER = 26
"""asm-generic/socket.h; Python has no name for it."""
NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 2), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
"""A filter for Linux's sockets: byte 13 of a TCP header has the flags, of which 2 is SYN."""


def admit_no_more(listening: socket.socket) -> None:
    """Have Linux drop the first packets of further connections, as if the network had lost them.

    Who connects sends another after a second, and is refused then. Without it a connection that is made
    between the last accept and the close is reset, and its request lost. Elsewhere it stays so.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in NO_SYN))
    with suppress(OSError):
        described = struct.pack("HP", len(NO_SYN), ctypes.addressof(program))
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)


def accept_all(listening: socket.socket) -> list[socket.socket]:
    """Accept every connection that the kernel has made already."""
    found = []
    with suppress(OSError):  # BlockingIOError: there is no other
        while True:
            found.append(listening.accept()[0])
    return found
