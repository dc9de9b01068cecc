"""Checks of drafts: deterministic, each with result, words and citations. Pure: they read a snapshot, and write nothing.

finding      pass, warn, block or unknown            reading      elements that may be missing
record       RecordView, what a refill is checked against; medicine: what is ordered
order supply substance allergy together pregnancy monitoring last_visit      the checks of a refill; refill: their table
needs        what the patient needs at a visit       visit        the checks of an appointment, and their table
"""

from ai_layer.drafts.checks.finding import Check, Outcome, blocking
from ai_layer.drafts.checks.needs import Needs, needs_of
from ai_layer.drafts.checks.reading import reference
from ai_layer.drafts.checks.record import RecordView
from ai_layer.drafts.checks.refill import REFILL_CHECKS, refill_checks
from ai_layer.drafts.checks.visit import VISIT_CHECKS, VisitView, Wanted, visit_checks

__all__ = [
    "REFILL_CHECKS",
    "VISIT_CHECKS",
    "Check",
    "Needs",
    "Outcome",
    "RecordView",
    "VisitView",
    "Wanted",
    "blocking",
    "needs_of",
    "reference",
    "refill_checks",
    "visit_checks",
]
