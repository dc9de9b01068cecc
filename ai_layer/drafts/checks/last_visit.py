"""Check `last-visit`: somebody has seen the patient within the last year. The year is our own limit, as is usual for renewals.

https://hl7.org/fhir/R4/encounter.html
"""

from __future__ import annotations

from datetime import timedelta

from ai_layer.drafts.checks.finding import Finding, passes, unknown, warns
from ai_layer.drafts.checks.reading import began
from ai_layer.drafts.checks.record import RecordView

WITHIN = timedelta(days=365)
HAPPENED = frozenset(["arrived", "triaged", "in-progress", "onleave", "finished"])


def last_visit(view: RecordView) -> Finding:
    """The last Encounter that took place is recent."""
    dated = [
        (moment, each)
        for each in view.encounters
        if each.get("status") in HAPPENED and (moment := began(each, "period")) and moment <= view.now
    ]
    if not dated:
        return unknown("The record has no visit with a date.", view.order)
    moment, visit = max(dated, key=lambda pair: pair[0])
    text = f"The last visit was {(view.now - moment).days} days ago."
    return passes(text, visit) if view.now - moment <= WITHIN else warns(text, visit)
