"""Profiles: StructureDefinitions of R4's own and of packages, as trees of rules that a resource is walked along.

    node           what a profile says of one element
    build          a StructureDefinition -> its tree, from the snapshot or from the differential over its base
    library        canonical URL -> tree; R4's own profiles and extensions, and those that users add
    item           an element of a resource, with its place and type
    discriminate   which slice an item belongs to
    check          the walk: cardinality, slices, types, and the rules of `values`, `binding`, `expression`
    extensions     extensions, each by its own definition
    sets           value sets that users have stored: whether a code is in one
    coded          R4's own bindings that are no more than advice
    levels         what a broken profile means for a write
    scope          what a walk has at hand: what references point to, other profiles, value sets
    conform        the story: a resource, its claimed profiles and those that were asked for

https://hl7.org/fhir/R4/profiling.html
"""
