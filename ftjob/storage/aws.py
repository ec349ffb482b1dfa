"""S3 as the environment describes it: boto3's credentials, profiles and endpoints; obstore's client."""

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ftjob.errors import StorageError
from ftjob.storage.bucket import Bucket, Opened, patience, timeouts
from ftjob.storage.directory import readable
from ftjob.storage.location import StoreUri

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig, S3Config

ADDRESSING = "FTJOB_S3_ADDRESSING"
"""`path` or `virtual`: where a bucket's name stands in an address."""
FRESH = timedelta(minutes=1)
"""How long credentials are used before boto3's chain is consulted again; it knows when they expire."""


@dataclass(frozen=True)
class Settings:
    """What is needed to reach a bucket, but for the credentials."""

    bucket: str
    region: str
    endpoint: str | None
    """Given by the user; None for AWS."""
    virtual: bool
    """The bucket's name stands in the host's name."""
    certificates: Path | None
    """Authorities to trust beside the machine's."""

    @property
    def host(self) -> str:
        """Return the endpoint, for people."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"

    @property
    def address(self) -> str | None:
        """Return the endpoint as obstore wants it: with the bucket's name, where the host's has that."""
        if self.endpoint is None or not self.virtual:
            return self.endpoint
        parts = urlsplit(self.endpoint)
        return parts._replace(netloc=f"{self.bucket}.{parts.netloc}").geturl()


def connect_s3(uri: StoreUri, seconds: float) -> Bucket:
    """Return a bucket of S3, as environment and profile configure it.

    Raises StorageError where there are no credentials.
    """
    found = settings(uri)
    return Bucket(uri, found.host, seconds, lambda: open_client(uri, found, seconds))


def settings(uri: StoreUri) -> Settings:
    """Read endpoint, region and addressing as AWS' own tools do; $FTJOB_S3_ADDRESSING goes first."""
    from botocore.configprovider import ConfiguredEndpointProvider

    session = new_session(uri)
    inner = session._session
    profile = inner.get_scoped_config()
    endpoint = ConfiguredEndpointProvider(inner.full_config, profile, "s3").provide()
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise StorageError(
            f"{uri}: the endpoint {endpoint!r} is no URL: write http://HOST:PORT or https://HOST"
        )
    style = os.environ.get(ADDRESSING) or profile.get("s3", {}).get("addressing_style", "auto")
    if style not in ("path", "virtual", "auto"):
        raise StorageError(f"{ADDRESSING}: {style!r} is no way to address a bucket: use path or virtual")
    bundle = inner.get_config_variable("ca_bundle")
    return Settings(
        bucket=uri.bucket,
        region=os.environ.get("AWS_REGION") or session.region_name or "us-east-1",
        endpoint=endpoint.rstrip("/") if endpoint else None,
        # A name with a dot does not match AWS' certificate.
        virtual=style == "virtual" or (style == "auto" and not endpoint and "." not in uri.bucket),
        certificates=Path(bundle) if bundle else None,
    )


def new_session(uri: StoreUri) -> "Session":
    """Return a session of boto3 that has read environment and profile now."""
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.Session()
    except BotoCoreError as error:
        raise StorageError(f"{uri}: {error}: correct AWS_PROFILE or ~/.aws/config") from error


def open_client(uri: StoreUri, found: Settings, seconds: float) -> Opened:
    """Return a client with the credentials that boto3's chain gives now."""
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    session = new_session(uri)
    try:
        credentials = session.get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
    except (BotoCoreError, ValueError) as error:  # a credential_process that prints nonsense is a ValueError
        raise StorageError(
            f"{uri}: no credentials ({error}): correct the role, profile or variables they come from"
        ) from error
    if frozen is None:
        raise StorageError(
            f"{uri}: no credentials are found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give the machine or pod a role"
        )
    address: S3Config = {"aws_endpoint_url_s3": found.address} if found.address else {}
    try:
        client = S3Store(
            found.bucket,
            config=address,
            region=found.region,
            virtual_hosted_style_request=found.virtual,
            credential_provider=Boto3CredentialProvider(session, ttl=FRESH),
            client_options=client_options(found, seconds),
            retry_config=patience(seconds),
        )
    except (BaseError, ValueError) as error:
        raise StorageError(f"{uri}: cannot be addressed ({error}): correct the bucket's name") from error
    return Opened(client, tuple(frozen), cache(lambda: boto3_client(session, found)))


def client_options(found: Settings, seconds: float) -> "ClientConfig":
    """Return the client's timeouts and whom it trusts."""
    options = timeouts(seconds)
    options["allow_http"] = found.host.startswith("http://")
    if found.certificates:
        with readable(found.certificates):
            options["root_certificate"] = found.certificates.read_bytes()
    return options


def boto3_client(session: "Session", found: Settings) -> "S3Client":
    """Return boto3's client with the same settings; it does not retry, its callers do."""
    from botocore.config import Config

    options: dict[str, Any] = {
        "s3": {"addressing_style": "virtual" if found.virtual else "path"},
        "retries": {"total_max_attempts": 1},
        "connect_timeout": 5,
        "read_timeout": 30,
    }
    return session.client(
        "s3",
        endpoint_url=found.endpoint,
        region_name=found.region,
        verify=str(found.certificates) if found.certificates else None,
        config=Config(**options),
    )
