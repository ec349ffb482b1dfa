"""A run's end as JUnit's XML, which CI systems show as tests: the run, and each requirement of `accept`."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime

from ftjob.errors.outcomes import Reason
from ftjob.report.facts import Facts
from ftjob.runfolder.status import State, Status
from jobspec.text import visible, visible_lines


def render_junit(facts: Facts) -> bytes:
    """Return the XML of one test suite, in UTF-8.

    A requirement that was not met is a failure; a run that ended in any other way than well is an error. All
    characters that XML cannot hold are shown as their escapes.
    """
    status, acceptance = facts.status, facts.acceptance
    suite = ET.Element("testsuite", name=visible(f"ftjob {facts.run}"))
    seconds = f"{facts.bill.total.whole.seconds:.3f}"
    run = _case(suite, status.name, "run", seconds)
    if not _ended_well(status):
        _add(run, "error", str(status.reason), status.message or f"the run is {status.state}")
    for each in acceptance.requirements if acceptance and _is_judged(status) else ():
        case = _case(suite, status.name, each.field, "0.000")
        if not each.met:
            _add(case, "failure", Reason.NOT_ACCEPTED, each.message)
    counts = {"tests": suite.findall("testcase"), "failures": suite.findall("testcase/failure")}
    counts |= {"errors": suite.findall("testcase/error"), "skipped": []}
    for name, found in counts.items():
        suite.set(name, str(len(found)))
    suite.set("time", seconds)
    if status.ended:
        suite.set("timestamp", f"{datetime.fromtimestamp(status.ended, UTC):%Y-%m-%dT%H:%M:%S}")
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    text: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _ended_well(status: Status) -> bool:
    return status.state is State.SUCCEEDED or status.reason == Reason.NOT_ACCEPTED


def _is_judged(status: Status) -> bool:
    """Whether the acceptance in the folder is of this end, and not of an attempt before it."""
    return _ended_well(status) or status.reason == Reason.BUDGET_REACHED


def _case(suite: ET.Element, run: str, name: str, seconds: str) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=visible(f"ftjob.{run}"), name=visible(name), time=seconds
    )


def _add(case: ET.Element, kind: str, reason: str, message: str) -> None:
    found = ET.SubElement(case, kind, type=visible(reason), message=visible(message))
    found.text = visible_lines(message)
