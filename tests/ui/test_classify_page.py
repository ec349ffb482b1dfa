"""The page that classifies: what is no picture to decode, and who may ask what; tests/bundle has answers."""

import re
import struct
import zlib

import cv2
import numpy as np
import pytest

from ftjob.runfolder.layout import RunFolder
from tests.dataset.images import jpeg, photo
from tests.ui.asking import SECONDS, with_file
from tests.ui.served import Pages


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, and has no pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


STRIP = cv2.imencode(".png", np.zeros((100_000, 1, 3), np.uint8))[1].tobytes()
REFUSED = {
    "nothing": (b"", 422, "no image of a known kind"),
    "text": (b"<svg onload=alert(1)>", 422, "no image of a known kind"),
    "a truncated PNG": (png_header(8, 8)[:20], 422, "damaged or cut short"),
    "a bomb": (png_header(9_000, 9_000), 413, "at most 50,000,000 pixels are decoded"),
    "a larger bomb": (png_header(2**31 - 1, 2**31 - 1), 422, "more pixels than anybody decodes"),
    "a strip": (STRIP, 422, "is 1x100000: no net sees anything in a strip"),
    "too many bytes": (b"\xff\xd8\xff" + bytes(40 << 20), 413, "and at most 33,554,432 are taken"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_net_can_see_gets_one_sentence(pages: Pages, name: str) -> None:
    """With the file's name, whatever that is; before anything is decoded or any bundle is opened."""
    data, status, sentence = REFUSED[name]
    answer = with_file(pages, "/classify", {"model": "emotions"}, ("<i>\x07.png", data))
    page = answer.data.decode()

    assert answer.status == status
    [alert] = re.findall(r'role="alert">(.*?)</p>', page, re.DOTALL)
    assert alert.startswith("&lt;i&gt;")
    assert sentence in alert


def test_a_hundred_megabytes_are_refused_by_their_length(pages: Pages) -> None:
    """413 before they are read."""
    headers = {"Content-Length": str(100 << 20), "Connection": "close"}
    answer = pages.client.request("POST", f"{pages.address}/classify", headers=headers, timeout=SECONDS)

    assert answer.status == 413
    assert answer.data.decode().count("\n") == 1


@pytest.mark.parametrize("model", ["/etc", "../bundle", "s3://bucket/bundle", "a b", "alias:../x"])
def test_without_the_token_no_place_can_be_asked(pages: Pages, model: str) -> None:
    """Runs and aliases are, by their names."""
    picture = ("a.jpg", jpeg(photo(1)))

    assert with_file(pages, "/classify", {"other": model}, picture).status == 403
    assert with_file(pages.with_token(), "/classify", {"other": model}, picture).status in (422, 503)


def test_a_run_leads_to_its_model(pages: Pages, emotions: RunFolder) -> None:
    """The link on its page chooses it."""
    reference = f"{emotions.root.parent.name}/{emotions.root.name}"

    assert f'href="/classify?model={reference}"' in pages.text(f"/runs/{reference}")
    assert f'<option value="{reference}"' in pages.text(f"/classify?model={reference}")


def test_a_run_without_a_bundle_is_explained(pages: Pages, emotions: RunFolder) -> None:
    """In a sentence, beside the form, with what was chosen."""
    answer = with_file(pages, "/classify", {"model": "emotions"}, ("a.jpg", jpeg(photo(1))))

    assert answer.status in (422, 503)
    assert '<option value="emotions">' in answer.data.decode()
