"""Who may see what and why, and the record of it. Pure: no database, no HTTP.

Read in this order: actor, purpose, scopes, policy (the tables), compartment, decide.
"""
