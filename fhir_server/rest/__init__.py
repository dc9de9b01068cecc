"""HTTP in, HTTP out: request.py reads, routes.py finds the interaction, response.py writes; auth.py says who asks.

The routes are a table of path shapes, and everything that goes wrong on the way is an OperationOutcome.
https://hl7.org/fhir/R4/http.html
"""
