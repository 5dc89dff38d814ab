-- Why and from where something was put into dead_letters: `cause` is one of oversized, malformed, newer, older, time, refused
-- (src/envelope.rs); `source` names spool or partition, and the number there.
ALTER TABLE dead_letters
    ADD COLUMN IF NOT EXISTS cause LowCardinality(String) AFTER utc,
    ADD COLUMN IF NOT EXISTS source String AFTER reason;

-- A batch that is sent again asks which of its ids are there; so does a page for one case.
ALTER TABLE passages ADD INDEX IF NOT EXISTS id_bloom id TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE violations ADD INDEX IF NOT EXISTS id_bloom id TYPE bloom_filter(0.01) GRANULARITY 1;
