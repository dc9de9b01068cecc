-- What an extension says of a stored search parameter, as pairs of texts.
ALTER TABLE search_parameter ADD COLUMN config jsonb NOT NULL DEFAULT '[]';
