"""Who may write: a browser with the token that the terminal printed, and no page of another site."""

import pytest

from ftjob.runfolder.layout import RunFolder
from ftjob.ui.settings import UiSettings
from tests.ui.served import TOKEN, Pages, served


def cancel(folder: RunFolder) -> str:
    return f"/runs/{folder.root.parent.name}/{folder.root.name}/cancel"


def test_the_token_becomes_a_cookie_and_leaves_the_address(pages: Pages) -> None:
    """HttpOnly and SameSite=Strict; the rest of the query stays."""
    answer = pages.get(f"/?q=faces&token={TOKEN}")

    assert answer.status == 303
    assert answer.headers["Location"] == "/?q=faces"
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["Set-Cookie"].split("; "))


def test_a_redirect_stays_on_this_server(pages: Pages) -> None:
    """`//elsewhere.example` would be another one."""
    assert pages.get(f"//elsewhere.example/?token={TOKEN}").headers["Location"] == "/elsewhere.example/"


@pytest.mark.parametrize("token", ["", "x", TOKEN + "x", TOKEN[:-1], "%00", "ü"])
def test_another_token_opens_nothing(pages: Pages, token: str) -> None:
    """403, one sentence, no cookie."""
    answer = pages.get(f"/?token={token}")

    assert answer.status == 403
    assert "the token is not this server" in answer.data.decode()
    assert "Set-Cookie" not in answer.headers


def test_writing_needs_the_cookie(pages: Pages, emotions: RunFolder) -> None:
    """403 without it or with another value; with it the run is asked to stop."""
    writer = pages.with_token()
    forged = Pages(pages.address, pages.client, writer.cookie.partition("=")[0] + "=guess")

    assert pages.post(cancel(emotions)).status == 403
    assert forged.post(cancel(emotions)).status == 403
    assert writer.post(cancel(emotions)).status == 303


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}]
)
def test_another_sites_page_cannot_write(pages: Pages, emotions: RunFolder, headers: dict[str, str]) -> None:
    """Not even with the cookie."""
    assert pages.with_token().post(cancel(emotions), **headers).status == 403


def test_a_name_that_leads_here_is_not_ours(pages: Pages) -> None:
    """DNS rebinding: a name of another site's."""
    assert pages.get("/", Host="evil.example").status == 421


def test_read_only_knows_no_token(cache: object) -> None:
    """Nothing can be written, whatever is sent."""
    with served(UiSettings(token="")) as pages:
        assert pages.get("/?token=").status == 403
        assert "without --read-only" in pages.post("/runs/a/b/cancel").data.decode()


def test_nothing_runs_in_a_page_but_our_own_scripts(pages: Pages, emotions: RunFolder) -> None:
    """The policy that browsers hold; no script stands in a page, and nothing comes from elsewhere."""
    for path in ("/", "/runs/emotions", "/runs/none"):
        answer = pages.get(path)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        text = answer.data.decode()
        assert "<script>" not in text
        assert "//" not in text.replace("http://www.w3.org/2000/svg", "").replace("ftj://", "")
