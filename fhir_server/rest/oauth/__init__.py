"""SMART on FHIR: OAuth 2.1 for apps, in the embedded authorization server.

Read in this order: problem, clients, scopes, authorize, grants, token, inspect, discovery, routes.
https://hl7.org/fhir/smart-app-launch/STU2/
"""
