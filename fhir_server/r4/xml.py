"""FHIR's XML format: `to_xml(resource)` and `from_xml(body)`, lossless both ways. https://hl7.org/fhir/R4/xml.html"""

from __future__ import annotations

from fhir_server.r4.xml_indent import indented
from fhir_server.r4.xml_read import from_xml
from fhir_server.r4.xml_write import to_xml

__all__ = ["from_xml", "indented", "to_xml"]
