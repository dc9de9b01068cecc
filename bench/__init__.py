"""Benchmarks: `make bench` prints every figure of docs/performance.md in one run, each beside the raw limit of this machine.

    data      Synthea's bundles, unpacked from $CHARTLINE_REAL_DATA
    raw       what bare psycopg and a bare ASGI app can do here, now
    loading   chartline load, and HTTP transactions with 1 and 4 clients
    validating  validation beside fhirkit-rs and fhir.resources
    terminology  $expand of 10,000 codes, $lookup, $validate-code
    code_releases a SNOMED CT release of 204 MB: loaded, and asked
    reading   reads, searches, $retrieve and $ask over HTTP
    mixed     16 clients that create, read, update and delete
    memory    how much a transaction of 60 MB takes
    searching, shapes, plans, copies  27 shapes of search on 600,000 resources, and how Postgres goes about them
    server    a server of our own in another process, and its memory
    report    the table
    audit, indexes, retrieval  each by itself: what access and audit cost, index rows, $retrieve among a million passages
    peers     the same transactions on a peer (make bench-peers)

No test asserts a time: machines are noisy. A figure without its ratio to the raw limit of the same run says little.
"""
