"""What R4 says, as data and pure functions: definitions, datatypes, reference, fhirpath, validate, xml, patch, and outcome for what goes wrong."""
