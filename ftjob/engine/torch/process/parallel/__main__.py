"""The process of every rank except the first: `python -m … RANK SIZE STORE COMMANDS REPORTS LEADER`.

STORE, COMMANDS and REPORTS are inherited descriptors, LEADER is the process of the first rank. It sends
commands in the format of ftjob/engine/process/wire.py, without replies. A failure is reported as
[name, message] in JSON.
"""

import json
import os
import sys

from ftjob.concurrency.malloc import keep_freed_memory
from ftjob.engine.process import serving, wire
from ftjob.engine.torch.process.__main__ import load


def main(arguments: list[str]) -> None:
    """Do what the first rank does, until it ends."""
    rank, size, store, commands, reports, leader = map(int, arguments)
    serving.settle(leader)
    with os.fdopen(commands, "rb", buffering=0) as stream:
        server = load()
        server.set_rank(rank, size, store, stream)
        try:
            while True:
                request, arrays = wire.receive(stream)
                for _ in serving.answer(server, request, arrays, lambda: False):
                    pass
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001 - the first rank gets whatever it is
            os.write(reports, json.dumps(server.error_reply(error)).encode())
            os._exit(1)  # a normal exit may hang in the middle of an exchange


if __name__ == "__main__":
    keep_freed_memory()
    main(sys.argv[1:])
