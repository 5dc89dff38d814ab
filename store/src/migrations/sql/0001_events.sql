-- Every table keeps the event whole in `body` (its JSON) beside the columns that questions need. `version` is when the
-- event was spooled, microseconds since 1970: of two rows of one id the later holds. `id_hex` is the id as people see it.
--
-- An acknowledged row must survive a power cut, because the spool deletes it then: hence the fsync settings.
-- `non_replicated_deduplication_window` makes a batch that is sent again under its token a no-op.

CREATE TABLE IF NOT EXISTS passages (
    id FixedString(16),
    id_hex String ALIAS lower(hex(id)),
    camera LowCardinality(String),
    utc DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    error_ms Nullable(Float64),
    track UInt64,
    class LowCardinality(String),
    plate String,
    plate_confidence Float64,
    speed_kmh Nullable(Float64),
    lane LowCardinality(String),
    confidence Float64,
    frames UInt32,
    model LowCardinality(String),
    scene LowCardinality(String),
    body String CODEC(ZSTD(3)),
    version UInt64,
    INDEX plate_ngrams plate TYPE ngrambf_v1(3, 16384, 3, 0) GRANULARITY 1
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(utc)
ORDER BY (toStartOfHour(utc), camera, utc, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE TABLE IF NOT EXISTS violations (
    id FixedString(16),
    id_hex String ALIAS lower(hex(id)),
    camera LowCardinality(String),
    utc DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    error_ms Nullable(Float64),
    track UInt64,
    class LowCardinality(String),
    plate String,
    plate_confidence Float64,
    speed_kmh Nullable(Float64),
    lane LowCardinality(String),
    confidence Float64,
    rule LowCardinality(String),
    mode LowCardinality(String),
    measured Map(LowCardinality(String), Float64),
    allowed Map(LowCardinality(String), Float64),
    signal LowCardinality(String),
    degraded Bool,
    law LowCardinality(String),
    model LowCardinality(String),
    scene LowCardinality(String),
    evidence String,
    manifest_sha256 String,
    body String CODEC(ZSTD(3)),
    version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(utc)
ORDER BY (utc, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- Not partitioned, and ordered without the time: two decisions raced for one revision have one id and different times,
-- and only one of them may stay.
CREATE TABLE IF NOT EXISTS reviews (
    id FixedString(16),
    id_hex String ALIAS lower(hex(id)),
    violation FixedString(16),
    revision UInt32,
    camera LowCardinality(String),
    utc DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    verdict LowCardinality(String),
    reason LowCardinality(String),
    reviewer LowCardinality(String),
    body String CODEC(ZSTD(3)),
    version UInt64
) ENGINE = ReplacingMergeTree(version)
ORDER BY (violation, revision, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE TABLE IF NOT EXISTS incidents (
    id FixedString(16),
    id_hex String ALIAS lower(hex(id)),
    camera LowCardinality(String),
    utc DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    error_ms Nullable(Float64),
    kind LowCardinality(String),
    measured Map(LowCardinality(String), Float64),
    body String CODEC(ZSTD(3)),
    version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(utc)
ORDER BY (utc, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- Events that ClickHouse refuses whatever batch they come in, with its words, so that they block nobody and nobody
-- loses them.
CREATE TABLE IF NOT EXISTS dead_letters (
    id FixedString(16),
    id_hex String ALIAS lower(hex(id)),
    kind LowCardinality(String),
    camera LowCardinality(String),
    utc DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    reason String,
    body String CODEC(ZSTD(3)),
    version UInt64
) ENGINE = ReplacingMergeTree(version)
ORDER BY (kind, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;
