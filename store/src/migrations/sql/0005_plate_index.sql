-- Which plates there are, when first and last: a search with wildcards or for near plates looks through these, not through
-- every passage. Rows may come twice: nothing is added up.
CREATE TABLE IF NOT EXISTS plates (
    plate String,
    first SimpleAggregateFunction(min, DateTime('UTC')),
    last SimpleAggregateFunction(max, DateTime('UTC'))
) ENGINE = AggregatingMergeTree
ORDER BY plate
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS passages_plates TO plates AS
    SELECT plate, toDateTime(min(utc), 'UTC') AS first, toDateTime(max(utc), 'UTC') AS last
    FROM passages WHERE plate != '' GROUP BY plate;

INSERT INTO plates SELECT plate, toDateTime(min(utc), 'UTC'), toDateTime(max(utc), 'UTC')
    FROM passages WHERE plate != '' GROUP BY plate;

-- Where the passages of a plate are: its rows' numbers in order of plates. The index of trigrams took as much room and was
-- read whole for every search.
ALTER TABLE passages MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild';

ALTER TABLE passages ADD PROJECTION IF NOT EXISTS by_plate (SELECT _part_offset ORDER BY plate);

ALTER TABLE passages MATERIALIZE PROJECTION by_plate SETTINGS mutations_sync = 1;

ALTER TABLE passages DROP INDEX IF EXISTS plate_ngrams;
