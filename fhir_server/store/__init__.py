"""Resources in Postgres: all SQL about them stands here.

write   new versions, their index rows and compartments      read       versions and pages, under an Access
identities, terms, numbering, rows, bodies, compartments     hooks      what else changes with a resource
database, retrying, statements, migrate, sql/                embedded   a Postgres of our own; folder, cluster, guise, binaries
"""
