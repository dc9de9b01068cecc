"""Check `controlled`: a substance in a schedule of the Controlled Substances Act is not renewed without a visit.

The schedules stand in terminology (lay entries of medicines). https://www.ecfr.gov/current/title-21/chapter-II/part-1308
"""

from __future__ import annotations

from ai_layer.drafts.checks.finding import Finding, blocks, passes, unknown
from ai_layer.drafts.checks.medicine import medicine_of
from ai_layer.drafts.checks.record import RecordView


def controlled(view: RecordView) -> Finding:
    """In no schedule, with every ingredient known."""
    medicine = medicine_of(view.order, view.medications)
    scheduled = [facts for facts in medicine.facts if facts.schedule]
    if scheduled:
        named = ", ".join(f"{facts.ingredient} {facts.schedule}" for facts in scheduled)
        return blocks(f"The medicine is a controlled substance ({named}); a visit is needed.", view.order)
    if not medicine.is_known:
        return unknown("It is not known here what the medicine is made of.", view.order)
    return passes("The medicine is in no schedule of controlled substances.", view.order)
