-- What pages ask all day, laid down so that it is answered without looking at every event.
--
-- `cases` has one narrow row for each violation of a rule in live mode, with the verdict that holds. The writer lays it
-- anew from `violations` and `reviews` for whatever a batch holds (src/ship/cases.rs), so it does not matter how often or
-- in which order rows come: `standing` (revision above, time of writing below) says which row of an id holds. What is open
-- lies together in few granules, which `is_open` finds, once parts are merged: hence the forced merges of this small table.
CREATE TABLE IF NOT EXISTS cases (
    utc DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    id FixedString(16),
    camera LowCardinality(String),
    rule LowCardinality(String),
    lane LowCardinality(String),
    plate String,
    confidence Float32,
    verdict LowCardinality(String),
    open Bool,
    standing UInt64,
    INDEX is_open open TYPE minmax GRANULARITY 1,
    INDEX plate_bloom plate TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ReplacingMergeTree(standing)
PARTITION BY toYYYYMM(utc)
ORDER BY (utc, id)
SETTINGS index_granularity = 1024, min_age_to_force_merge_seconds = 600, fsync_after_insert = 1,
    fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

INSERT INTO cases
    SELECT v.utc, v.id, v.camera, v.rule, v.lane, v.plate, v.confidence, r.verdict,
        r.verdict NOT IN ('confirmed', 'rejected'), if(r.standing = 0, v.version, r.standing)
    FROM (SELECT * EXCEPT body FROM violations FINAL WHERE mode = 'live') AS v
    LEFT JOIN (SELECT violation, argMax(verdict, (revision, version)) AS verdict,
            max(bitShiftLeft(toUInt64(least(revision, 8191)), 51) + version) AS standing
        FROM reviews GROUP BY violation) AS r ON r.violation = v.id
    SETTINGS max_partitions_per_insert_block = 0;

-- Passages by hour, camera, lane and class, counted from the passages themselves after the hour is over, never added up:
-- a batch that is sent again, or an event that comes twice, cannot be counted twice, and an engine that dies between the
-- parts of an insert leaves nothing uncounted. Of an hour the latest count holds (`rolled`).
CREATE TABLE IF NOT EXISTS passage_hours (
    hour DateTime('UTC') CODEC(Delta, ZSTD),
    camera LowCardinality(String),
    lane LowCardinality(String),
    class LowCardinality(String),
    passages UInt32,
    plates_read UInt32,
    rolled DateTime64(3, 'UTC') CODEC(Delta, ZSTD)
) ENGINE = ReplacingMergeTree(rolled)
PARTITION BY toYear(hour)
ORDER BY (hour, camera, lane, class)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1;

-- Which hours something was written to, and when they were counted last. An hour whose last mark is not well before its
-- last count is read from the passages, unless it is `closed`: its passages are no longer kept.
CREATE TABLE IF NOT EXISTS hour_marks (
    hour DateTime('UTC'),
    marked SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    rolled SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    closed SimpleAggregateFunction(max, UInt8)
) ENGINE = AggregatingMergeTree
ORDER BY hour
SETTINGS min_age_to_force_merge_seconds = 600, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- One case is read by its key: of these wide rows no more than needed shall be unpacked for it. Interrupted, it begins
-- again with the rows that are under the name then.
CREATE TABLE IF NOT EXISTS violations_fine AS violations
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(utc)
ORDER BY (utc, id)
SETTINGS index_granularity = 128, non_replicated_deduplication_window = 10000, fsync_after_insert = 1,
    fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

TRUNCATE TABLE violations_fine;

INSERT INTO violations_fine SELECT * FROM violations SETTINGS max_partitions_per_insert_block = 0, insert_deduplicate = 0;

EXCHANGE TABLES violations AND violations_fine;

DROP TABLE violations_fine SETTINGS max_table_size_to_drop = 0;

CREATE TABLE IF NOT EXISTS reviews_fine AS reviews
ENGINE = ReplacingMergeTree(version)
ORDER BY (violation, revision, id)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 10000, fsync_after_insert = 1,
    fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

TRUNCATE TABLE reviews_fine;

INSERT INTO reviews_fine SELECT * FROM reviews SETTINGS insert_deduplicate = 0;

EXCHANGE TABLES reviews AND reviews_fine;

DROP TABLE reviews_fine SETTINGS max_table_size_to_drop = 0;

-- The same for passages, with codecs by measurement (benches/RESULTS.md, "Store: a year of passages").
CREATE TABLE IF NOT EXISTS passages_fine AS passages
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(utc)
ORDER BY (toStartOfHour(utc), camera, utc, id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, fsync_after_insert = 1,
    fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

TRUNCATE TABLE passages_fine;

ALTER TABLE passages_fine
    MODIFY COLUMN id CODEC(NONE),
    MODIFY COLUMN error_ms CODEC(ZSTD),
    MODIFY COLUMN track CODEC(ZSTD),
    MODIFY COLUMN plate CODEC(ZSTD),
    MODIFY COLUMN plate_confidence CODEC(ZSTD),
    MODIFY COLUMN speed_kmh CODEC(ZSTD),
    MODIFY COLUMN confidence CODEC(ZSTD),
    MODIFY COLUMN frames CODEC(ZSTD),
    MODIFY COLUMN version CODEC(Delta, ZSTD),
    MODIFY COLUMN body CODEC(ZSTD(1));

INSERT INTO passages_fine SELECT * FROM passages SETTINGS max_partitions_per_insert_block = 0, insert_deduplicate = 0;

EXCHANGE TABLES passages AND passages_fine;

DROP TABLE passages_fine SETTINGS max_table_size_to_drop = 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS passages_mark TO hour_marks AS
    SELECT toStartOfHour(utc) AS hour, now64(3) AS marked, toDateTime64(0, 3, 'UTC') AS rolled FROM passages GROUP BY hour;

INSERT INTO hour_marks (hour, marked, rolled)
    SELECT DISTINCT toStartOfHour(utc), toDateTime64(1, 3, 'UTC'), toDateTime64(0, 3, 'UTC') FROM passages;
