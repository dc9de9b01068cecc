"""fhir_server: a FHIR R4 server, complete without the AI layer. The map, from the door to the ground:

    __main__, commands/   the command `chartline`                    app          the one place where parts meet
    rest/                 HTTP in, HTTP out: request, routes (a table of path shapes), response, sign-in, OAuth
    service, ingest       one process's Service; what comes from outside -> one transaction
    operations/           what a FHIR operation is, and how one is called
    interactions/         one file per FHIR interaction: (Context, request) -> Result
    store/                resources in Postgres: write, read, identities, terms, bodies; embedded, database, migrate
    search/               URL -> Query -> SQL, and resource -> index rows; types/ has one file per parameter type
    access/               who may see what and why: actor, scopes, consent, decide -> Access; audit, provenance
    sql                   Fragment: SQL with its values and its reason
    r4/                   what the specification says: definitions, datatypes, fhirpath, validate, xml, patch, outcome
    settings              one table of settings

A bundle comes in: rest.routes -> interactions.transaction -> r4.validate -> store.write, one transaction, hooks included.
A search goes out: rest -> Access -> search.parse -> search.page -> one statement -> searchset of stored bytes.
"""
