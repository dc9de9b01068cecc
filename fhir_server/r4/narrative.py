"""Narrative: the XHTML of `text.div`, checked for what R4 lets stand there.

Well-formed, basic formatting elements only, no scripts, events or forms, and something to read (txt-1, txt-2).
https://hl7.org/fhir/R4/narrative.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from html.entities import name2codepoint
from typing import Any

from lxml import etree

from fhir_server.r4.faults import Fault, Faults, fault, named

XHTML = "{http://www.w3.org/1999/xhtml}"
_ELEMENTS = """
    a abbr acronym address b bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em font h1 h2 h3
    h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var
"""
_ATTRIBUTES = """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset cite class
    color colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap rel rev rowspan
    rules scope shape size span src start style summary tabindex title type valign value vspace width
"""
ELEMENTS = frozenset(_ELEMENTS.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
_NAMED = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)([A-Za-z][A-Za-z0-9]*);")
_DECLARED = re.compile(r"""\s*<div\b[^>]*\sxmlns=["']http://www\.w3\.org/1999/xhtml["']""").match
_DIV = re.compile(
    r"""<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<(?P<end>/?)(?:[\w.-]+:)?div(?P<attributes>(?:\s(?:[^"'>]|"[^"]*"|'[^']*')*|/)?)>""",
    re.DOTALL,
)
_SCRIPT = re.compile(r"\s*(?:javascript|vbscript|data:text)", re.IGNORECASE)
_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=False
)


def narrative(value: Any, parent: dict[str, Any]) -> Faults:
    """The check of `Narrative.div`."""
    if type(value) is not str:
        return fault("structure", f"A narrative is a JSON string; this is {named(value)}.")
    div = _parsed(value)
    if div is None:
        return _broken("txt-1", "this is not well-formed XML")
    if div.tag not in (XHTML + "div", "div"):
        return _broken("txt-1", "the outermost element is not a div")
    if refused := next(filter(None, map(_refused, div.iter())), ""):
        return _broken("txt-1", refused)
    return None if _has_content(div) else _broken("txt-2", "it has nothing to read")


def _broken(key: str, problem: str) -> Faults:
    return [Fault("", "invariant", f"A narrative is one XHTML div of basic formatting: {problem}.", key)]


def _parsed(text: str) -> Any | None:
    try:
        return None if "<!DOCTYPE" in text else etree.fromstring(expand(text), _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        return None


def is_well_formed(text: str) -> bool:
    """Whether it can stand in an XML document."""
    return _parsed(text) is not None


def with_namespace(text: str) -> str:
    """The div as XML needs it: no named characters, and the namespace declared."""
    text = expand(text)
    if _DECLARED(text):
        return text
    return text.replace("<div", '<div xmlns="http://www.w3.org/1999/xhtml"', 1)


def divs(document: str) -> Iterator[str]:
    """The outermost divs of a well-formed document, as they are written."""
    depth = start = 0
    for tag in _DIV.finditer(document):
        if tag["attributes"] is None:
            continue
        start = start if depth else tag.start()
        depth += -1 if tag["end"] else 0 if tag["attributes"].endswith("/") else 1
        if depth == 0:
            yield document[start : tag.end()]


def serialized(div: Any, written: str) -> str:
    """The div's own text where it stands on its own, else the same written anew."""
    if _DECLARED(written):
        return written
    alone = deepcopy(div)
    etree.cleanup_namespaces(alone, top_nsmap={None: XHTML[1:-1]})
    return str(etree.tostring(alone, encoding="unicode", with_tail=False))


def expand(text: str) -> str:
    """HTML's named characters (`&nbsp;`) as letters, since XML alone does not know them."""
    return _NAMED.sub(lambda found: _letter(found), text) if "&" in text else text


def _letter(found: re.Match[str]) -> str:
    code = name2codepoint.get(found[1])
    return found[0] if code is None else chr(code)


def _refused(element: Any) -> str:
    if element.tag is etree.Comment:
        return ""
    if not isinstance(element.tag, str) or element.tag.removeprefix(XHTML) not in ELEMENTS:
        return "it holds an element that is no basic formatting"
    for name, value in element.attrib.items():
        if name not in ATTRIBUTES and not name.startswith("{http://www.w3.org/XML/"):
            return "it holds an attribute that is no basic formatting"
        if _SCRIPT.match(value):
            return "it holds a link to a script"
    return ""


def _has_content(div: Any) -> bool:
    return bool("".join(div.itertext()).strip()) or any(True for _ in div.iter(XHTML + "img", "img"))
