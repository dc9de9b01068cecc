"""NotMappable: something came that no mapping reads.

It is the one exception that leaves this package; the edge turns it into an OperationOutcome.
https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations


class NotMappable(ValueError):
    """`diagnostics` says what came and what was expected, `expression` is the FHIRPath of the place."""

    def __init__(self, diagnostics: str, expression: str = "") -> None:
        super().__init__(diagnostics)
        self.diagnostics = diagnostics
        self.expression = expression
