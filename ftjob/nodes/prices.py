"""EC2's present prices of nodes, on demand and on spot, by region; kept for an hour."""

import json
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ftjob.errors import BadSpecError
from ftjob.fs import files
from ftjob.fs.documents import UnreadableError, read_as
from ftjob.fs.paths import cache_dir
from ftjob.nodes.profiles import Node, Price

if TYPE_CHECKING:
    from datetime import datetime

    from boto3.session import Session

    T = TypeVar("T")

FRESH_SECONDS = 3600.0
PRICE_LIST_REGION = "us-east-1"
"""Where the price list of all regions is served."""
LINUX = "Linux/UNIX"
CONNECT_SECONDS, READ_SECONDS, TRIES = 3.0, 5.0, 2
"""Two tries of so many seconds; then the profile's price is used."""

Dollars = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class LivePrice(_Part):
    """USD per hour of one instance type; None where EC2 has none there."""

    on_demand: Dollars | None = None
    spot: Dollars | None = None
    zone: str = ""
    """The one where spot is cheapest."""


class LivePrices(_Part):
    """Prices of one region at one time."""

    region: str
    when: float
    """Seconds since 1970."""
    prices: dict[str, LivePrice] = {}
    """By instance type."""

    def of(self, node: Node) -> LivePrice | None:
        """Return the price of a node; None where it is no instance of EC2, or EC2 has none of its type."""
        found = self.prices.get(node.instance_type or "")
        return found if found and (found.on_demand or found.spot) else None

    def price_of(self, node: Node) -> Price:
        """Return a node's price: EC2's where known, else its profile's."""
        found = self.of(node) or LivePrice()
        return Price(on_demand=found.on_demand or node.price.on_demand, spot=found.spot or node.price.spot)


def live_prices(nodes: Iterable[Node], region: str | None = None) -> tuple[LivePrices, list[str]]:
    """Return EC2's prices of the nodes that are its instances, and a sentence for each price it lacks.

    Answers are remembered for an hour. `region`: else the one of the environment or AWS profile,
    else us-east-1. Raises BadSpecError for a region that cannot be one.
    """
    from botocore.exceptions import BotoCoreError

    types = sorted({node.instance_type for node in nodes if node.instance_type})
    try:
        session = _session(region)
    except BotoCoreError as error:
        return LivePrices(region=region or "", when=time.time()), [
            _fallback("EC2's prices cannot be fetched", error)
        ]
    place = str(session.region_name or PRICE_LIST_REGION)
    found = _remembered(place, types)
    if found is None:
        found, problems = _ask(session, place, types)
        if problems:
            return found, problems
        files.write_text(_note(place), found.model_dump_json())
    none = [kind for kind in types if found.prices[kind] == LivePrice()]
    return found, [f"{kind}: EC2 has none in {place}: the profile's price is used" for kind in none]


def _session(region: str | None) -> "Session":
    import boto3

    if region is not None and not re.fullmatch(r"[a-z]+(-[a-z]+)+-\d", region):
        raise BadSpecError(f"--region: {region!r} is no region of AWS: give one such as us-east-1")
    return boto3.Session(region_name=region)


def _ask(session: "Session", region: str, types: list[str]) -> tuple[LivePrices, list[str]]:
    from botocore.config import Config

    patience = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": TRIES}
    )
    ec2 = session.client("ec2", region_name=region, config=patience)
    pricing = session.client("pricing", region_name=PRICE_LIST_REGION, config=patience)
    spots, no_spots = _by_type("EC2's spot prices", types, lambda kind: _spot(ec2, kind))
    lists, no_lists = _by_type("EC2's price list", types, lambda kind: _on_demand(pricing, kind, region))
    prices = {}
    for kind in types:
        usd, zone = spots.get(kind) or (None, "")
        prices[kind] = LivePrice(on_demand=lists.get(kind), spot=usd, zone=zone)
    found = LivePrices(region=region, when=time.time(), prices=prices)
    return found, [problem for problem in (no_spots, no_lists) if problem]


def _by_type(
    what: str, types: list[str], ask: "Callable[[str], T | None]"
) -> "tuple[dict[str, T | None], str]":
    """Return the answer by type; the first failure that is not one type's own ends it, with a sentence."""
    from botocore.exceptions import BotoCoreError, ClientError

    found: dict[str, T | None] = {}
    for kind in types:
        try:
            found[kind] = ask(kind)
        except ClientError as error:
            if not error.response["Error"].get("Code", "").startswith("Invalid"):
                return found, _fallback(f"{what} cannot be fetched", error)
            found[kind] = None
        except (BotoCoreError, ValueError, KeyError) as error:
            return found, _fallback(f"{what} cannot be fetched", error)
    return found, ""


def _fallback(what: str, error: Exception) -> str:
    return f"{what} ({error}): the profiles' prices are used"


def _spot(ec2: Any, kind: str) -> tuple[float, str] | None:
    """Return the cheapest zone's newest price."""
    from datetime import UTC, datetime

    pages = ec2.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=[kind],
        ProductDescriptions=[LINUX, f"{LINUX} (Amazon VPC)"],
        StartTime=datetime.now(UTC),
    )
    return cheapest([entry for page in pages for entry in page["SpotPriceHistory"]])


def cheapest(history: list[dict[str, Any]]) -> tuple[float, str] | None:
    """Return the lowest of every zone's newest price, and the zone; None where there is none."""
    newest: dict[str, tuple[datetime, float]] = {}
    for entry in history:
        zone, dated = entry["AvailabilityZone"], (entry["Timestamp"], float(entry["SpotPrice"]))
        newest[zone] = max(newest.get(zone, dated), dated)
    return min(((usd, zone) for zone, (_, usd) in newest.items()), default=None)


def _on_demand(pricing: Any, kind: str, region: str) -> float | None:
    wanted = {
        "instanceType": kind,
        "regionCode": region,
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
    }
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    answer = pricing.get_products(ServiceCode="AmazonEC2", Filters=filters)
    hourly = [usd for text in answer["PriceList"] for usd in _hourly(json.loads(text))]
    return min(hourly, default=None)


def _hourly(product: dict[str, Any]) -> list[float]:
    """Return what a product of the price list costs by the hour on demand."""
    terms = product["terms"].get("OnDemand", {}).values()
    dimensions = [each for term in terms for each in term["priceDimensions"].values()]
    prices = [float(each["pricePerUnit"].get("USD", 0)) for each in dimensions if each["unit"] == "Hrs"]
    return [usd for usd in prices if usd > 0]


def _remembered(region: str, types: list[str]) -> LivePrices | None:
    try:
        found = read_as(LivePrices, _note(region))
    except (OSError, UnreadableError):
        return None  # none yet, or written by another version: fetched anew
    fresh = 0 <= time.time() - found.when < FRESH_SECONDS
    return found if fresh and set(types) <= set(found.prices) else None


def _note(region: str) -> Path:
    return cache_dir() / "prices" / f"{region}.json"
