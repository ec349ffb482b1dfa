"""What Amazon S3, other stores and proxies answer, as they word it: quoted where that is what decides."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ftjob.errors import StorageError
from ftjob.storage import open_store

Answer = tuple[int, str]
Answering = Callable[[Callable[[str], Answer]], None]
DENIED = "access denied, writing it is not allowed"
GIVE = "give these credentials the right to it, or use others"
KMS = "User: arn:aws:iam::1:user/a is not authorized to perform: kms:GenerateDataKey on this resource"
FULL = "Storage backend has reached its minimum free drive threshold."


def xml(code: str, message: str) -> str:
    """An error's body."""
    return f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    """Makes S3's endpoint answer each method as a function has it."""
    answers: list[Callable[[str], Answer]] = []

    class Store(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, body = answers[-1](self.command)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            if not body.startswith("<html>"):
                self.send_header("etag", '"x"')
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body.encode())

        do_GET = do_HEAD = do_PUT = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("FTJOB_STORAGE_DEADLINE", "0.5")
        yield answers.append
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (403, xml("AccessDenied", "Access Denied"), f"{DENIED}: {GIVE}"),
        (403, xml("AccessDenied", ""), f"{DENIED}: {GIVE}"),
        (403, "", f"{DENIED}: {GIVE}"),
        (403, xml("AccessDenied", KMS), f"{DENIED} ({KMS}): {GIVE}"),
        (403, xml("QuotaExceeded", ""), f"{DENIED} (QuotaExceeded): {GIVE}"),
        (
            403,
            "<!DOCTYPE html>\n<html><body>Blocked</body></html>",
            f"{DENIED} (the answer is a web page, perhaps a proxy's): {GIVE}",
        ),
        (
            403,
            xml("InvalidObjectState", "The operation is not valid for the object's storage class"),
            "it is archived: restore it, or copy it to a storage class that can be read",
        ),
        (
            400,
            xml("KMS.DisabledException", "&quot;a&quot; is disabled"),
            'writing it failed (400 KMS.DisabledException: "a" is disabled): see what the server asks for',
        ),
        (400, "", "writing it failed (400 Bad Request): see what the server asks for"),
        (
            200,
            "<html>Sign in</html>",
            "writing it failed (200 without an ETag, perhaps a proxy's page): see what",
        ),
        (507, xml("XMinioStorageFull", FULL), f"answers 507 (XMinioStorageFull: {FULL}), also after 0.5"),
        (503, xml("SlowDown", "Reduce your rate."), "answers 503 (SlowDown: Reduce your rate.), also after"),
        (502, "<html>Bad Gateway</html>", "answers 502 (the answer is a web page, perhaps a proxy's), also"),
    ],
)
def test_what_decides_is_quoted(answering: Answering, status: int, body: str, sentence: str) -> None:
    """A key that may not be used, a disk that is full, a proxy in between: no right to the object helps."""
    answering(lambda _: (status, body))

    with pytest.raises(StorageError) as refused:
        open_store("s3://faces/runs").write("k", b"x")
    assert sentence in str(refused.value)
    assert "Generic S3 error" not in str(refused.value)


def test_a_claim_that_meets_another_is_made_again(answering: Answering) -> None:
    """S3 answers 409 to both of two writers at once, and neither has written by then."""
    asked: list[str] = []

    def answer(method: str) -> Answer:
        asked.append(method)
        if method == "HEAD":
            return 404, ""
        return (409, xml("ConditionalRequestConflict", "again")) if asked.count("PUT") == 1 else (200, "")

    answering(answer)

    assert open_store("s3://faces/runs").create("claim", b"me")
    assert asked == ["PUT", "HEAD", "PUT"]
