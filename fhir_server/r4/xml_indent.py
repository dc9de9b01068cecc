"""FHIR's XML with a line for each element; narratives stay letter by letter, since blanks count in XHTML.

https://hl7.org/fhir/R4/http.html#parameters (`_pretty`)
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from fhir_server.r4.narrative import XHTML

STEP = "  "


def indented(body: bytes) -> bytes:
    """The same document, indented. The body is one that this server has written."""
    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    _indent(root, "\n")
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _indent(node: Any, line: str) -> None:
    """`line` is what a child's closing tag stands behind."""
    if not len(node) or node.tag.startswith(XHTML):
        return
    node.text = line + STEP
    for child in node:
        child.tail = line + STEP
        _indent(child, line + STEP)
    node[-1].tail = line
