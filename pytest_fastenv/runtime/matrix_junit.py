"""JUnit files of a session over several environments: a suite for each environment, with what it held."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from typing import Any, Mapping, Sequence

from .named_environments import NamedState
from .node_names import name_of


def split_suites(path: str, states: Sequence[NamedState], versions: Mapping[str, Mapping[str, str]]) -> None:
    """Put the test cases of a file that pytest wrote into a suite for each environment.

    Test cases that belong to none stay where they are. What is no file of pytest's is left alone.

    :param versions: of the distributions in each environment, by its name.
    """
    try:
        tree = ET.parse(path)  # noqa: S314 - pytest wrote it just now
    except (OSError, ET.ParseError):
        return
    suites = tree.getroot()
    whole = suites.find("testsuite")
    if whole is None:
        return
    names = [state.name for state in states]
    cases: dict[str, list[ET.Element]] = {name: [] for name in names}
    for case in whole.findall("testcase"):
        name = name_of(case.get("name", ""), names)
        if name:
            cases[name].append(case)
            whole.remove(case)
    for state in states:
        suite = ET.Element("testsuite", {**whole.attrib, **_counts(cases[state.name]), "name": state.name})
        suite.append(_properties(state, versions.get(state.name, {})))
        suite.extend(cases[state.name])
        if state.error is not None:
            suite.extend([_not_provided(state)])
            suite.set("tests", "1")
            suite.set("errors", "1")
        suites.append(suite)
    rest = whole.findall("testcase")
    if rest:
        whole.attrib.update(_counts(rest))
    else:
        suites.remove(whole)
    private = "{}.{}.part".format(path, os.getpid())
    tree.write(private, encoding="utf-8", xml_declaration=True)
    os.replace(private, path)


def _counts(cases: Sequence[ET.Element]) -> dict[str, str]:
    found = {kind: sum(case.find(kind) is not None for case in cases) for kind in ("error", "failure", "skipped")}
    seconds = sum(float(case.get("time", 0)) for case in cases)
    return {
        "tests": str(len(cases)),
        "errors": str(found["error"]),
        "failures": str(found["failure"]),
        "skipped": str(found["skipped"]),
        "time": "{:.3f}".format(seconds),
    }


def _properties(state: NamedState, versions: Mapping[str, str]) -> ET.Element:
    told: dict[str, Any] = {"fastenv.environment": state.name}
    if state.environment is not None:
        told["fastenv.interpreter"] = state.environment.interpreter
        told["fastenv.prefix"] = state.environment.prefix
    told.update(("fastenv.version." + name, version) for name, version in sorted(versions.items()))
    properties = ET.Element("properties")
    for name, value in told.items():
        ET.SubElement(properties, "property", {"name": name, "value": str(value)})
    return properties


def _not_provided(state: NamedState) -> ET.Element:
    case = ET.Element("testcase", {"classname": "fastenv", "name": state.name, "time": "0"})
    error = ET.SubElement(case, "error", {"message": "the environment was not provided"})
    error.text = "" if state.error is None else state.error.diagnosis()
    return case
