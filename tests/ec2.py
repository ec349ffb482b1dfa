"""EC2 and its price list as a server on the loopback, in their own protocols."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

SPOT = """<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
<spotPriceHistorySet>{items}</spotPriceHistorySet></DescribeSpotPriceHistoryResponse>"""
ITEM = """<item><instanceType>{kind}</instanceType><productDescription>Linux/UNIX</productDescription>
<spotPrice>{usd}</spotPrice><timestamp>2026-11-22T05:00:00.000Z</timestamp>
<availabilityZone>{zone}</availabilityZone></item>"""


@dataclass
class Ec2:
    """What it answers, and what it was asked."""

    url: str
    spot: dict[str, dict[str, float]] = field(default_factory=dict)
    """Dollars by instance type and zone."""
    on_demand: dict[str, float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Instance types, once for each question."""

    def answer(self, target: str, body: str) -> tuple[str, str]:
        """Return the content type and the answer to one request."""
        if target.endswith("GetProducts"):
            filters = {each["Field"]: each["Value"] for each in json.loads(body)["Filters"]}
            kind = filters["instanceType"]
            listed = [product(f"{self.on_demand[kind]:.10f}")] if kind in self.on_demand else []
            reply = json.dumps({"FormatVersion": "aws_v1", "PriceList": listed})
            content = "application/x-amz-json-1.1"
        else:
            kind = parse_qs(body)["InstanceType.1"][0]
            zones = self.spot.get(kind, {}).items()
            items = [ITEM.format(kind=kind, zone=zone, usd=usd) for zone, usd in zones]
            reply = SPOT.format(items="".join(items))
            content = "text/xml"
        self.asked.append(kind)
        return content, reply


def product(usd: str, unit: str = "Hrs") -> str:
    """A product of the price list, as get_products gives it."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}, "description": f"${usd} per On Demand"}
    offer = {"A.B": {"priceDimensions": {"A.B.C": dimension}}}
    return json.dumps({"product": {}, "terms": {"OnDemand": offer}})


@contextmanager
def serving() -> Iterator[Ec2]:
    """Serve on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            content, reply = ec2.answer(self.headers.get("X-Amz-Target", ""), body)
            self.send_response(200)
            self.send_header("Content-Type", content)
            self.send_header("Content-Length", str(len(reply.encode())))
            self.end_headers()
            self.wfile.write(reply.encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        ec2 = Ec2(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield ec2
        server.shutdown()
        thread.join()
