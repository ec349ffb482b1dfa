"""From a URI and the environment to a bucket that answers."""

from collections.abc import Callable

from ftjob.errors import StorageError
from ftjob.storage.aws import connect_s3
from ftjob.storage.bucket import Bucket, Opened, deadline, patience, timeouts
from ftjob.storage.location import StoreUri


def connect(uri: StoreUri, seconds: float | None = None) -> Bucket:
    """Return the bucket at a URI, whose server may be away for so many seconds.

    Raises StorageError where a setting or credential is missing.
    """
    return CONNECT[uri.scheme](uri, deadline() if seconds is None else seconds)


def connect_gs(uri: StoreUri, seconds: float) -> Bucket:
    """Return a bucket of Google Cloud Storage.

    Credentials: $GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, or the machine's.
    """
    from obstore.exceptions import BaseError
    from obstore.store import GCSStore

    def open_client() -> Opened:
        try:
            return Opened(
                GCSStore(uri.bucket, client_options=timeouts(seconds), retry_config=patience(seconds))
            )
        except (BaseError, ValueError) as error:
            raise StorageError(
                f"{uri}: Google's credentials cannot be read: correct GOOGLE_APPLICATION_CREDENTIALS"
            ) from error

    return Bucket(uri, "https://storage.googleapis.com", seconds, open_client)


def connect_az(uri: StoreUri, seconds: float) -> Bucket:
    """Return a container of Azure Blob Storage: $AZURE_STORAGE_ACCOUNT_NAME and its key or identity."""
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore

    def open_client() -> Opened:
        try:
            return Opened(
                AzureStore(uri.bucket, client_options=timeouts(seconds), retry_config=patience(seconds))
            )
        except (BaseError, ValueError) as error:
            raise StorageError(
                f"{uri}: Azure's account is not known: set AZURE_STORAGE_ACCOUNT_NAME and "
                "AZURE_STORAGE_ACCOUNT_KEY, or give the machine an identity"
            ) from error

    return Bucket(uri, "Azure Blob Storage", seconds, open_client)


CONNECT: dict[str, Callable[[StoreUri, float], Bucket]] = {
    "s3": connect_s3,
    "gs": connect_gs,
    "az": connect_az,
}
