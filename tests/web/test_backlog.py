"""Laws of a listening socket's connections."""

import socket

import pytest

from ftjob.web.backlog import accept_all, admit_no_more


def test_no_connection_is_made_any_more_and_none_is_lost() -> None:
    """Those made before are accepted and work; later ones are not made, and refused once nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        address = listening.getsockname()
        clients = [socket.create_connection(address, 60) for _ in range(3)]
        admit_no_more(listening)
        with socket.socket() as late:
            late.settimeout(0.2)
            with pytest.raises(TimeoutError):
                late.connect(address)
        servers = accept_all(listening)
    for client in clients:
        client.sendall(b"x")

    assert [server.recv(1) for server in servers] == [b"x"] * 3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 60)
    for each in (*clients, *servers):
        each.close()
