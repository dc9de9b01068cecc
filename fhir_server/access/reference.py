"""References to the people and machines that stand in AuditEvents and Provenances.

https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import re
from typing import Any

_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")


def person(fhir_user: str, subject: str) -> dict[str, Any]:
    """A Reference by the actor's own resource, else by the subject of the token."""
    if _RELATIVE.fullmatch(fhir_user):
        return {"reference": fhir_user}
    return {"identifier": {"value": subject}}
