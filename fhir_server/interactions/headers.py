"""Values of HTTP's conditional headers, which a Bundle's requests carry too.

https://hl7.org/fhir/R4/http.html#concurrency
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from fhir_server.r4.datatypes import parse_instant_or_partial
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store.write import ANY, NOT_THERE

_ETAG = re.compile(r'(?:W/)?"?([A-Za-z0-9\-.]{1,64})"?$')


def version_of(etag: str, place: str = "If-Match") -> int:
    """The version that `W/"3"` names; a version that no resource can have becomes -1."""
    match = _ETAG.match(etag.strip())
    if match is None:
        raise FhirError(Problem.BAD_REQUEST, f'{place}: expected W/"version".', place)
    return int(match.group(1)[:9]) if match.group(1).isdigit() else -1


def expected(if_match: str, if_none_match: str, place: str = "If-Match") -> int | None:
    """The version that a write expects: If-Match's, NOT_THERE with `If-None-Match: *`, or none in particular.

    `If-Match: *` (RFC 9110) asks for any version that is there: ANY."""
    if if_match.strip() == "*":
        return ANY
    if if_match:
        return version_of(if_match, place)
    return NOT_THERE if if_none_match.strip() == "*" else None


def is_unmodified(
    version: int, last_updated: datetime | None, if_none_match: str, if_modified_since: str
) -> bool:
    """Whether the reader has this version already; If-None-Match decides where both are given."""
    if if_none_match:
        return any(
            part.strip() in ("*", f'W/"{version}"', f'"{version}"') for part in if_none_match.split(",")
        )
    if not if_modified_since or last_updated is None:
        return False
    since = _moment(if_modified_since)
    return since is not None and last_updated.replace(microsecond=0) <= since


def _moment(text: str) -> datetime | None:
    """An HTTP date, or an instant as a Bundle has it; nothing where it is neither (the header is then ignored)."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        try:
            return parse_instant_or_partial(text).lo
        except ValueError:
            return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
