"""Release: one export without identities: the key, the names to look out for, and the count of what was taken out. Pure.

https://www.ecfr.gov/current/title-45/section-164.514
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from fhir_server.deidentify.days import offset
from fhir_server.deidentify.names import Names
from fhir_server.deidentify.owner import owner
from fhir_server.deidentify.pseudonyms import Pseudonyms
from fhir_server.deidentify.resource import deidentified
from fhir_server.deidentify.rules import rules
from fhir_server.deidentify.values import Json, Run
from fhir_server.r4.validate import validate

SAFE_HARBOR = "Safe Harbor, 45 CFR 164.514(b)(2)"
MOVED = "as Safe Harbor but for dates, which are moved: 45 CFR 164.514(b)(1) or (e) have to allow it"


class Release:
    """`key` empty: one is made, and forgotten with this object."""

    def __init__(self, key: str, now: datetime, moves_dates: bool) -> None:
        self.key = key or secrets.token_hex(32)
        self.is_kept = bool(key)
        self.moves_dates = moves_dates
        self.run = Run(Pseudonyms(self.key), Names(), now)
        self.left_out: Counter[str] = Counter()

    def learn(self, resource: Json) -> None:
        """Take in the names of a person, before anything is written."""
        self.run.names.learn(resource)

    def of(self, resource: Json) -> Json | None:
        """The resource as it may go out; None where it may not, or would be no R4 any more."""
        whose = owner(resource) if self.moves_dates else ""
        self.run.days = offset(self.key, whose) if whose else None
        found = deidentified(resource, self.run)
        if found is None or any(issue.severity == "error" for issue in validate(found)):
            self.left_out[str(resource.get("resourceType"))] += 1
            return None
        return found

    def manifest(self, exported: Mapping[str, int]) -> Json:
        """What went out and what was taken out, in numbers."""
        return {
            "method": MOVED if self.moves_dates else SAFE_HARBOR,
            "rules": rules().source,
            "dates": "moved by 1 to 365 days, the same for all of one patient"
            if self.moves_dates
            else "year",
            "pseudonyms": "HMAC-SHA256 with CHARTLINE_DEIDENTIFY_KEY"
            if self.is_kept
            else "HMAC-SHA256 with a key of this run alone",
            "exported": dict(sorted(exported.items())),
            "leftOut": dict(sorted(self.left_out.items())),
            "removed": {kind: count for kind, count in sorted(self.run.removed.items()) if count},
        }
