-- Violations that nothing may delete, with the reason. Of one violation the latest row holds.
CREATE TABLE IF NOT EXISTS holds (
    violation FixedString(16),
    held Bool,
    reason String,
    by String,
    at DateTime64(6, 'UTC')
) ENGINE = ReplacingMergeTree(at)
ORDER BY violation
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1;

-- What was deleted for its age, and which age that was.
CREATE TABLE IF NOT EXISTS deletions (
    at DateTime64(6, 'UTC'),
    what LowCardinality(String),
    before DateTime64(6, 'UTC'),
    rows UInt64
) ENGINE = MergeTree
ORDER BY at
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1;

ALTER TABLE passages MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';
