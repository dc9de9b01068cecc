"""Narrative: the XHTML of `text.div`, checked for what R4 lets stand there.

Well-formed, basic formatting elements only, no scripts, events or forms, and something to read (txt-1, txt-2).
https://hl7.org/fhir/R4/narrative.html
"""

from __future__ import annotations

import re
from html.entities import name2codepoint
from typing import Any

from lxml import etree

from fhir_server.r4.faults import Faults, fault, named

XHTML = "{http://www.w3.org/1999/xhtml}"
ELEMENTS = frozenset(
    "a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img li ol p pre q "
    "samp small span strong sub sup table tbody td tfoot th thead tr tt ul var kbd ins del bdo address center font u s strike".split()
)
ATTRIBUTES = frozenset(
    "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset cite class colspan "
    "compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap rel rev rowspan rules scope shape span "
    "src start style summary tabindex title type valign value vspace width size color".split()
)
_NAMED = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)([A-Za-z][A-Za-z0-9]*);")
_SCRIPT = re.compile(r"\s*(?:javascript|vbscript|data:text)", re.IGNORECASE)
_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=False
)


def narrative(value: Any, parent: dict[str, Any]) -> Faults:
    """The check of `Narrative.div`."""
    if type(value) is not str:
        return fault("structure", f"A narrative is a JSON string; this is {named(value)}.")
    if problem := _problem(value):
        return fault("invariant", f"A narrative is one XHTML div of basic formatting: {problem}.")
    return None


def _problem(text: str) -> str:
    if "<!DOCTYPE" in text:
        return "it declares a document type"
    try:
        div = etree.fromstring(expand(text), _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        return "this is not well-formed XML"
    if div.tag not in (XHTML + "div", "div"):
        return "the outermost element is not a div"
    return next(filter(None, map(_refused, div.iter())), "") or (
        "" if _has_content(div) else "it has nothing to read"
    )


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
