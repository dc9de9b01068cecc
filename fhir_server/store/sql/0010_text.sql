-- Full text for _text and _content. Resources that say the same in words share one row of `words`: an index over millions of
-- Observations is one over some thousand texts. A key is a hash of the text; rows are only ever added.

CREATE TABLE words (
    key bigint PRIMARY KEY,
    vector tsvector NOT NULL
);
CREATE INDEX words_vector ON words USING gin (vector);

-- What the narrative says, and what the whole resource says. NULL: nothing.
ALTER TABLE resource ADD COLUMN narrative bigint, ADD COLUMN content bigint;
CREATE INDEX resource_narrative ON resource (narrative) WHERE narrative IS NOT NULL;
CREATE INDEX resource_content ON resource (content) WHERE content IS NOT NULL;
