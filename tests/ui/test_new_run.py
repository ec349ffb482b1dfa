"""A spec in a browser: begun with pictures or a run, changed as text and by a form, planned and submitted."""

import html
import re
from pathlib import Path

import pytest

from ftjob import api
from ftjob.client.consent import ASK_ABOVE
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State
from jobspec.forms.spec_form import spec_form
from tests.dataset.images import write_photos
from tests.ui.asking import done, fields_in
from tests.ui.served import Pages

HOSTILE = "</textarea><script>alert(1)</script>"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures of two classes."""
    return write_photos(tmp_path / "pets", {"cat": 8, "dog": 8})


@pytest.fixture
def writer(pages: Pages) -> Pages:
    """A browser with the token."""
    return pages.with_token()


def first(writer: Pages, pictures: Path, **changes: str) -> dict[str, str]:
    """The form of a first spec for some pictures, with some fields changed."""
    answer = writer.post("/new/first", {"data": str(pictures), "net": "lenet"})
    assert answer.status == 200, answer.data.decode()
    return fields_in(answer.data.decode()) | {name.replace("__", "."): text for name, text in changes.items()}


def test_a_first_spec_is_that_of_the_command_line(
    writer: Pages, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same text, and every field of it in the form."""
    monkeypatch.chdir(tmp_path)
    form = first(writer, pictures)

    assert form["yaml"] == api.init("lenet", str(pictures)).read_text()
    shown = {name.removeprefix("field."): text for name, text in form.items() if name.startswith("field.")}
    assert shown.keys() == {field.name for section in spec_form() for field in section.fields}
    assert (shown["base.net"], shown["solver.lr_policy"], shown["data.mirror"]) == ("lenet", "step", "false")
    assert form["before"] == form["yaml"]


def test_form_and_text_are_one(writer: Pages, pictures: Path) -> None:
    """What is changed in the form is changed in the text, beside what was changed there; comments stay."""
    form = first(writer, pictures, field__solver__epochs="3", field__budget__usd="4")
    form["yaml"] = (
        form["yaml"].replace("base_lr: 0.01 ", "base_lr: 0.02 ").replace("mirror: false", "mirror: true")
    )
    answer = writer.post("/new", {**form, "do": "update"})
    taken = fields_in(answer.data.decode())

    assert answer.status == 200
    assert (taken["field.solver.base_lr"], taken["field.data.mirror"]) == ("0.02", "true")
    assert re.search(
        r"base_lr: 0\.02 +# take a tenth.*epochs: 3\n.*budget: {usd: 4}\n", taken["yaml"], re.DOTALL
    )


def test_problems_are_at_their_fields(writer: Pages, pictures: Path) -> None:
    """In ftjob's words, each with a link to its field, which is marked and described by its sentence."""
    form = first(writer, pictures, field__solver__base_lr="fast", field__data__crop="0", field__name="Pets")
    answer = writer.post("/new", {**form, "do": "plan"})
    page = answer.data.decode()

    assert answer.status == 422
    links = re.findall(r'<li><a href="#(.*?)">(.*?)</a></li>', page)
    assert [(field, html.unescape(text).partition(": ")[2]) for field, text in links] == [
        ("name", "name: must be 1 to 40 lower-case letters, digits and dashes, beginning and ending with a "
         'letter or digit, got "Pets"'),
        ("data.crop", "data.crop: must be 1 or more, got 0"),
        ("solver.base_lr", 'solver.base_lr: must be a number, got "fast"'),
    ]  # fmt: skip
    for field, text in links:
        described = f'aria-describedby="{field}-help {field}-wrong" aria-invalid=true'
        assert f'id="{field}" name="field.{field}" {described}' in page
        assert f'<p class="wrong" id="{field}-wrong">{text}</p>' in page
    assert fields_in(page)["field.solver.base_lr"] == "fast"


def test_a_text_that_is_no_yaml_loses_nothing(writer: Pages, pictures: Path) -> None:
    """The line is named; the text and what the form has stay."""
    form = first(writer, pictures, field__solver__epochs="7")
    form["yaml"] = f"{HOSTILE}: [\n"
    answer = writer.post("/new", {**form, "do": "plan"})
    page, kept = answer.data.decode(), fields_in(answer.data.decode())

    assert answer.status == 422
    assert '<a href="#yaml">line ' in page
    assert "<script>alert" not in page
    assert (kept["yaml"], kept["field.solver.epochs"]) == (form["yaml"], "7")


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("data.train", "/nowhere", "/nowhere"),
        ("data.mean", "[1, 2]", "data.mean: 2 values, but the images"),
        ("base.net", "/no.prototxt", "base.net: /no.prototxt is not there"),
        ("resources.node", "nowhere", "resources.node"),
    ],
)
def test_what_a_plan_is_refused_for_is_shown_with_the_spec(
    writer: Pages, pictures: Path, field: str, text: str, sentence: str
) -> None:
    """The command line's sentence, at its field where it names one; the form has the spec."""
    form = first(writer, pictures)
    answer = done(writer, writer.post("/new", {**form, f"field.{field}": text, "do": "plan"}))
    page = answer.data.decode()

    assert answer.status == 422
    assert sentence in html.unescape(page)
    assert fields_in(page)[f"field.{field}"] == text


def test_a_plan_is_the_command_lines(writer: Pages, pictures: Path, tmp_path: Path) -> None:
    """Every line, word for word, and the way back to the same spec."""
    form = first(writer, pictures)
    page = done(writer, writer.post("/new", {**form, "do": "plan"})).data.decode()
    (tmp_path / "spec.yaml").write_text(form["yaml"])

    from ftjob.plan.shortfall import shortfall_of
    from ftjob.plan.summary.plan_lines import summary_of

    planned = api.plan(tmp_path / "spec.yaml", to_train=False)
    found = summary_of(planned, shortfall_of(planned))
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    for line in found.lines:
        assert f"{line.name}{''.join(part.text for part in line.parts)}" in text
    assert found.run in text
    [back] = re.findall(r'href="(/new\?plan=[^"]*)"', page)
    assert fields_in(writer.text(back))["yaml"] == form["yaml"]
    [net] = re.findall(r'src="(/plans/[^"]*/net\.svg)"', page)
    assert writer.get(net).headers["Content-Type"].startswith("image/svg+xml")


def test_dollars_are_agreed_to_as_on_the_command_line(
    writer: Pages, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it costs, and a budget that is short: nothing begins without a tick at each."""
    monkeypatch.setenv(ASK_ABOVE, "0.0001")
    form = first(writer, pictures, field__resources__node="p2.xlarge", field__budget__usd="0.09")
    form["field.solver.epochs"] = "90000"
    begun = writer.post("/new", {**form, "do": "plan"})
    page, path = html.unescape(done(writer, begun).data.decode()), begun.headers["Location"]

    def refused(**ticks: str) -> str:
        answer = writer.post(f"{path}/submit", {"where": "here", **ticks})
        assert answer.status == 422
        [sentence] = re.findall(r'role="alert">(.*?)</p>', answer.data.decode())
        return html.unescape(sentence)

    assert re.search(r'name="short" value="yes" required> budget\.usd', page)
    assert re.search(r'name="agreed" value="yes" required> pets costs about \$0.\d\d', page)
    assert refused().startswith("budget.usd")
    assert refused(agreed="yes").startswith("budget.usd")
    assert refused(short="yes") == "submit: not confirmed, nothing was submitted"
    assert api.list_runs() == []


def test_a_sweep_is_planned_member_by_member(
    writer: Pages, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every member with its values, what all cost together, and the same question."""
    monkeypatch.setenv(ASK_ABOVE, "0.0001")
    form = first(writer, pictures, field__resources__node="p2.xlarge")
    form["yaml"] += "sweep: {solver.base_lr: [0.02, 0.01]}\n"
    begun = writer.post("/new", {**form, "do": "plan"})
    page = html.unescape(done(writer, begun).data.decode())
    (tmp_path / "spec.yaml").write_text(
        fields_in(writer.text(f"/new?plan={begun.headers['Location'][7:]}"))["yaml"]
    )
    planned = api.plan_sweep(tmp_path / "spec.yaml")

    for member in planned.members:
        assert f'<th scope="row" class="name">{member.member.name}</th><td>' in page
    assert all(f"<p>{line}</p>" in page for line in planned.in_words)
    answer = writer.post(f"{begun.headers['Location']}/submit", {"where": "here"})
    assert answer.status == 422
    assert "submit: not confirmed, nothing was submitted" in answer.data.decode()


@pytest.mark.parametrize("path", ["/new", "/new/first", "/plans/guess/submit"])
def test_writing_needs_the_token(pages: Pages, path: str) -> None:
    """And a page of this server."""
    assert pages.post(path, {"data": "/etc", "yaml": ""}).status == 403
    assert pages.with_token().post(path, {}, Origin="http://evil.example").status == 403


def test_a_run_is_cloned(pages: Pages, emotions: RunFolder) -> None:
    """Its very spec, for everyone to read."""
    reference = f"{emotions.root.parent.name}/{emotions.root.name}"

    assert f'<option value="{reference}">' in pages.text("/new")
    assert fields_in(pages.text(f"/new?run={reference}"))["yaml"] == emotions.spec.read_text()
    for other in ("nobody", "../..", "/etc"):
        assert pages.get(f"/new?run={other}").status == 404


@pytest.mark.caffe
@pytest.mark.slow
# A worker outlives its submitter.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_pictures_become_a_model(writer: Pages, pictures: Path, tmp_path: Path) -> None:
    """From the first spec to a run that ends well, by forms alone."""
    form = first(writer, pictures, field__solver__max_iter="2", field__solver__epochs="")
    form |= {"field.output": str(tmp_path / "runs"), "field.engine": "caffe"}
    begun = writer.post("/new", {**form, "do": "plan"})
    assert "Submit" in done(writer, begun).data.decode()
    answer = writer.post(f"{begun.headers['Location']}/submit", {"where": "here"})
    [run] = api.list_runs()

    assert answer.status == 303
    assert answer.headers["Location"] == f"/runs/{run.reference}"
    assert run.wait(timeout=120).state is State.SUCCEEDED
    assert f'<option value="{run.reference}">' in writer.text("/classify")
