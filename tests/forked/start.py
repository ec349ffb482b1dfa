"""A program forked from its server, for shells to start: `python start.py SOCKET COUNT WORD…`.

The first COUNT words are what the server stands for.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.forked.process import Forked

server, count, *command = sys.argv[1:]
code = Forked(Path(server), command, int(count), [Path(server).name]).wait()
sys.exit(code if code >= 0 else 128 - code)
