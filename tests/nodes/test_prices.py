"""What EC2 asks for nodes: its own answers' shapes, and what happens where it does not answer."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.stub import ANY, Stubber
from moto import mock_aws

from ftjob import api
from ftjob.errors import BadSpecError
from ftjob.nodes import prices
from ftjob.nodes.prices import LivePrice, LivePrices, cheapest, live_prices
from ftjob.nodes.profiles import Price, get_node, load_nodes
from ftjob.nodes.userfile import with_price
from tests.ec2 import Ec2, product, serving
from tests.storage.processes import free_ports

pytestmark = pytest.mark.slow  # boto3's clients take a second

LIVE = LivePrices(
    region="us-east-1",
    when=1e9,
    prices={
        "p2.xlarge": LivePrice(on_demand=0.8, spot=0.3, zone="us-east-1b"),
        "g4dn.xlarge": LivePrice(spot=0.2),
    },
)


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keys that open nothing, and a nodes file of the user's."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    path = tmp_path / "nodes.yaml"
    path.write_text("# ours\np2.xlarge:\n  teraflops: 1.3   # measured\n")
    monkeypatch.setenv("FTJOB_NODES", str(path))
    return path


def test_spot_prices_are_those_of_the_api() -> None:
    """In the region that is asked for; none where EC2 has no such type."""
    import boto3

    with mock_aws():
        ec2 = boto3.client("ec2", region_name="eu-west-1")
        found = {kind: prices._spot(ec2, kind) for kind in ("g4dn.xlarge", "x9.nothing")}

    assert found == {"g4dn.xlarge": (0.00001, "eu-west-1a"), "x9.nothing": None}


def test_the_cheapest_zone_is_chosen_by_its_newest_price() -> None:
    """What a zone asked for before does not count."""
    history = [
        {"AvailabilityZone": zone, "SpotPrice": usd, "Timestamp": datetime(2026, 11, day, tzinfo=UTC)}
        for zone, usd, day in (("a", "0.1", 1), ("a", "0.5", 3), ("b", "0.4", 2), ("b", "0.9", 1))
    ]

    assert cheapest(history) == (0.4, "b")
    assert cheapest([]) is None


def test_on_demand_is_the_hour_of_a_shared_linux_instance() -> None:
    """Other units and free entries are passed over; the price list is asked for one type and region."""
    import boto3

    client = boto3.client("pricing", region_name="us-east-1")
    listed = [product("0.0000000000"), product("0.9000000000"), product("0.1", "Quantity")]
    wanted = {"ServiceCode": "AmazonEC2", "Filters": ANY}
    with Stubber(client) as stub:
        stub.add_response("get_products", {"PriceList": listed}, wanted)
        stub.add_response("get_products", {"PriceList": []}, wanted)

        assert prices._on_demand(client, "p2.xlarge", "us-east-1") == 0.9
        assert prices._on_demand(client, "p2.xlarge", "us-east-1") is None


def test_an_api_that_refuses_connections_leaves_the_profiles_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence for each of the two; nothing is remembered of it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    found, troubles = live_prices(load_nodes().values())

    assert [trouble.split(" (")[0] for trouble in troubles] == [
        "EC2's spot prices cannot be fetched",
        "EC2's price list cannot be fetched",
    ]
    assert all(trouble.endswith("the profiles' prices are used") for trouble in troubles)
    assert found.of(get_node("p2.xlarge")) is None
    assert found.price_of(get_node("p2.xlarge")) == get_node("p2.xlarge").price


def test_an_api_that_hangs_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the question and never answers costs the seconds that are allowed, no more."""
    monkeypatch.setattr(prices, "READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        _, troubles = live_prices([get_node("p2.xlarge")])

    assert "Read timeout" in troubles[0]


def test_missing_credentials_are_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of anybody then."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    _, troubles = live_prices([get_node("p2.xlarge")])

    assert "Unable to locate credentials" in troubles[0]


@pytest.mark.parametrize("region", ["us east", "US-EAST-1", "", "../x"])
def test_a_region_that_is_none_is_refused(region: str) -> None:
    """Before anything is asked."""
    with pytest.raises(BadSpecError, match=r"--region: .* is no region of AWS: give one such as us-east-1"):
        live_prices([], region)


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ec2]:
    """EC2 on the loopback, with the prices of LIVE."""
    with serving() as server:
        server.spot = {
            "p2.xlarge": {"us-east-1a": 0.4, "us-east-1b": 0.3},
            "g4dn.xlarge": {"us-east-1a": 0.2},
        }
        server.on_demand = {"p2.xlarge": 0.8}
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def test_both_prices_are_asked_of_ec2(ec2: Ec2) -> None:
    """Through boto3, as its answers are laid out on the wire."""
    found, _ = live_prices(load_nodes().values())

    assert (found.region, found.prices["p2.xlarge"]) == ("us-east-1", LIVE.prices["p2.xlarge"])
    assert found.prices["g4dn.xlarge"].spot == 0.2


def test_prices_are_kept_for_an_hour(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their time; another region, or more than an hour, is asked anew."""
    nodes = load_nodes().values()
    both = 2 * sum(node.instance_type is not None for node in nodes)
    first, _ = live_prices(nodes)
    assert live_prices(nodes)[0] == first
    assert len(ec2.asked) == both

    live_prices(nodes, "eu-west-1")
    assert len(ec2.asked) == 2 * both
    monkeypatch.setattr("time.time", lambda: first.when + 3601)
    live_prices(nodes)
    assert len(ec2.asked) == 3 * both


def test_a_damaged_note_is_asked_anew(ec2: Ec2, cache: Path) -> None:
    """A cache is never a reason to fail."""
    live_prices(load_nodes().values())
    [note] = (cache / "prices").iterdir()
    note.write_text("{")

    found, _ = live_prices([get_node("p2.xlarge")])

    assert found.prices == {"p2.xlarge": LIVE.prices["p2.xlarge"]}


def test_a_type_that_ec2_does_not_have_is_named(ec2: Ec2) -> None:
    """Its profile's price stands, and the message says so."""
    found, troubles = live_prices(load_nodes().values())

    assert troubles == [
        f"{kind}: EC2 has none in us-east-1: the profile's price is used"
        for kind in sorted({node.instance_type or "" for node in load_nodes().values()} - {""})
        if kind not in ("p2.xlarge", "g4dn.xlarge")
    ]
    assert found.of(get_node("local")) is None


def test_writing_puts_them_where_plans_read_them(own: Path) -> None:
    """The file's own words and comments stay; what EC2 does not know stays too; again, nothing changes."""
    changed = api.write_prices(LIVE)

    assert changed == {
        "p2.xlarge": Price(on_demand=0.8, spot=0.3),
        "g4dn.xlarge": Price(on_demand=0.526, spot=0.2),
    }
    assert get_node("p2.xlarge").usd_per_hour(spot=True) == 0.3
    assert own.read_text() == (
        "# ours\np2.xlarge:\n  price: {on_demand: 0.8, spot: 0.3}\n  teraflops: 1.3   # measured\n"
        "g4dn.xlarge:\n  price: {on_demand: 0.526, spot: 0.2}\n"
    )
    assert api.write_prices(LIVE) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "a:\n  price: {on_demand: 2.0}\n"),
        ("# only this", "# only this\na:\n  price: {on_demand: 2.0}\n"),
        ("a: {gpu: x}", "a: {price: {on_demand: 2.0}, gpu: x}"),
        (
            "a:\n  price: {on_demand: 1}  # old\n  gpu: x\n",
            "a:\n  price: {on_demand: 2.0}  # old\n  gpu: x\n",
        ),
        ("a:\n  price:\n    on_demand: 1\n  gpu: x\n", "a:\n  price:\n    {on_demand: 2.0}\n  gpu: x\n"),
        ("b: {gpu: x}\na:\n    gpu: x", "b: {gpu: x}\na:\n    price: {on_demand: 2.0}\n    gpu: x"),
    ],
)
def test_a_price_is_put_into_any_layout(before: str, after: str) -> None:
    """Block or flow, there or not, with what stands around it."""
    assert with_price(before, "a", Price(on_demand=2)) == after


def test_a_file_that_cannot_be_edited_stays(own: Path) -> None:
    """Refused in one sentence; the file is as it was."""
    own.write_text("{}\n")

    with pytest.raises(BadSpecError, match=r"nodes\.yaml"):
        api.write_prices(LIVE)
    assert own.read_text() == "{}\n"
