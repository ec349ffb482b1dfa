"""OpenStack Swift with its S3 interface, whole in one process.

`python -m tests.storage.swift_server FOLDER PORT [AHEAD]`: objects lie below FOLDER and outlive the server.
PORT 0 takes a free one; FOLDER/server.json says which. AHEAD seconds is how wrong the server's clock is.
"""

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

ACCESS_KEY, SECRET_KEY = "test:tester", "testing"
SECOND_KEY, SECOND_SECRET = "test:second", "alsotesting"
"""Another pair that is good for the same buckets."""
SWIFT_CONF = """
[swift-hash]
swift_hash_path_suffix = ftjob
[storage-policy:0]
name = default
default = yes
"""
COMMON = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
log_level = CRITICAL
log_address = {folder}/nothing
recon_cache_path = {folder}
"""
BACK_END = """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
PROXY = """
[pipeline:main]
pipeline = gatekeeper cache listing_formats bulk s3api tempauth copy slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
paste.filter_factory = tests.storage.swift_server:cached
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_second = alsotesting .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
max_manifest_size = 33554432
"""


class Memory:
    """What Swift expects of memcached, in this process."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[Any, float]] = {}

    def get(self, key: str, **_: Any) -> Any:
        value, ends = self.values.get(key, (None, 0.0))
        return value if ends > time.time() else None

    def set(self, key: str, value: Any, time: float = 0, **_: Any) -> None:
        self.values[key] = (value, _now() + (time or 1e9))

    def incr(self, key: str, delta: int = 1, time: float = 0, **_: Any) -> int:
        value = int(self.get(key) or 0) + delta
        self.set(key, value, time=time)
        return value

    def decr(self, key: str, delta: int = 1, **_: Any) -> int:
        return self.incr(key, -delta)

    def delete(self, key: str, **_: Any) -> None:
        self.values.pop(key, None)


_now = time.time
MEMORY = Memory()


def cached(_: Any, **__: Any) -> Any:
    """Return a filter that gives requests the memory (as paste's filter factories are)."""

    def wrap(application: Any) -> Any:
        def call(environment: dict[str, Any], start_response: Any) -> Any:
            return application({**environment, "swift.cache": MEMORY}, start_response)

        return call

    return wrap


def configure(folder: Path, ports: dict[str, int]) -> None:
    """Write Swift's settings and its rings of one disk."""
    from swift.common import constraints, storage_policy, utils
    from swift.common.ring import RingBuilder

    (folder / "devices" / "disk").mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text(SWIFT_CONF)
    (folder / "proxy.conf").write_text(COMMON.format(folder=folder) + PROXY)
    utils.set_swift_dir(str(folder))
    storage_policy.reload_storage_policies()
    constraints.reload_constraints()
    for kind, port in ports.items():
        (folder / f"{kind}.conf").write_text((COMMON + BACK_END).format(folder=folder, kind=kind))
        ring = RingBuilder(4, 1, 0)  # 16 partitions, one copy
        place = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
        ring.add_dev({"id": 0, "region": 1, "zone": 1, "device": "disk", "weight": 1, **place})
        ring.rebalance()
        ring.get_ring().save(str(folder / f"{kind}.ring.gz"))


def end_with_parent() -> None:
    """End when the process that started this one has; PR_SET_PDEATHSIG would go by its thread."""
    import eventlet

    parent = os.getppid()
    while os.getppid() == parent:
        eventlet.sleep(0.5)
    os._exit(1)


def serve(folder: Path, port: int) -> None:
    """Answer requests until killed."""
    import eventlet
    from eventlet import wsgi
    from swift.common.wsgi import SwiftHttpProtocol, loadapp

    kinds = ("account", "container", "object")
    sockets = {kind: eventlet.listen(("127.0.0.1", 0), backlog=512) for kind in kinds}
    configure(folder, {kind: each.getsockname()[1] for kind, each in sockets.items()})
    sockets["proxy"] = eventlet.listen(("127.0.0.1", port), backlog=512)
    pool = eventlet.GreenPool()
    pool.spawn(end_with_parent)
    silent = logging.getLogger("silent")
    silent.addHandler(logging.NullHandler())
    silent.propagate = False
    for kind, each in sockets.items():
        options = {"protocol": SwiftHttpProtocol, "log": silent, "log_output": False}
        pool.spawn(wsgi.server, each, loadapp(str(folder / f"{kind}.conf")), **options)
    draft = folder / "server.json.partial"
    draft.write_text(json.dumps({"port": sockets["proxy"].getsockname()[1]}))
    draft.rename(folder / "server.json")
    pool.waitall()


if __name__ == "__main__":
    import eventlet

    if len(sys.argv) > 3:
        time.time = lambda ahead=float(sys.argv[3]): _now() + ahead
    eventlet.monkey_patch()
    serve(Path(sys.argv[1]), int(sys.argv[2]))
