//! What a batch means for the roll-ups: the rows of `cases` of its violations and decisions, and, where a predecessor may
//! have died half way, which hours must be counted again.

use clickhouse::error::Error;
use stopline_types::{Event, EventId, UtcUs};

use super::insert::END_TIMEOUT;
use crate::{Store, spool::Spooled};

/// Ids of one statement: some 70 kB of a request.
const IDS: usize = 2_000;

/// A row of `cases` from what the tables hold. Of a violation that was decided, revision and time of the decision say how
/// late the row is; of another, the time it was spooled, which is below 2^51 µs until 2041.
const LAY: &str = "INSERT INTO cases SELECT v.utc, v.id, v.camera, v.rule, v.lane, v.plate, v.confidence, r.verdict, \
           r.verdict NOT IN ('confirmed', 'rejected'), if(r.standing = 0, v.version, r.standing) \
    FROM (SELECT utc, id, camera, rule, lane, plate, confidence, version FROM violations \
          WHERE id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16)) AND mode = 'live' \
          AND utc >= fromUnixTimestamp64Micro({first:Int64}, 'UTC') AND utc <= fromUnixTimestamp64Micro({last:Int64}, 'UTC') \
          ORDER BY version DESC LIMIT 1 BY id) AS v \
    LEFT JOIN (SELECT violation, argMax(verdict, (revision, version)) AS verdict, \
                      max(bitShiftLeft(toUInt64(least(revision, 8191)), 51) + version) AS standing FROM reviews \
               WHERE violation IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16)) GROUP BY violation) AS r \
    ON r.violation = v.id";

/// Lays the rows of `cases` anew that `events` touch. May be done again at any time.
pub(super) async fn lay(store: &Store, events: &[&Spooled]) -> Result<(), Error> {
    let mut found: Vec<(EventId, UtcUs)> = Vec::new();
    let mut decided: Vec<EventId> = Vec::new();
    for spooled in events {
        match &spooled.event {
            Event::Violation(violation) => found.push((violation.id, violation.utc)),
            Event::Review(review) => decided.push(review.violation),
            Event::Passage(_) | Event::Incident(_) => {}
        }
    }
    for some in found.chunks(IDS) {
        let times = || some.iter().map(|(_, utc)| utc.0);
        let span = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        lay_some(store, some.iter().map(|(id, _)| id.to_string()).collect(), span).await?;
    }
    // When the act was is not said by its decision.
    decided.sort_unstable();
    decided.dedup();
    for some in decided.chunks(IDS) {
        lay_some(store, some.iter().map(EventId::to_string).collect(), SOME_TIME).await?;
    }
    Ok(())
}

/// 1970 to 2200, in microseconds.
const SOME_TIME: (i64, i64) = (0, 7_258_118_400_000_000);

async fn lay_some(store: &Store, ids: Vec<String>, (first, last): (i64, i64)) -> Result<(), Error> {
    let statement = store.client().query(LAY).param("ids", ids).param("first", first).param("last", last);
    let statement = statement.with_setting("max_partitions_per_insert_block", "0");
    tokio::time::timeout(END_TIMEOUT, statement.execute()).await.map_err(|_| Error::TimedOut)?
}

/// Has the hours of these passages counted again and their plates known. What was written without this program having been told so may lack what the
/// views make of it.
pub(super) async fn mark(store: &Store, events: &[&Spooled]) -> Result<(), Error> {
    let hour = |event: &&Spooled| event.event.utc().0.div_euclid(3_600_000_000) * 3600;
    let mut hours: Vec<i64> = events.iter().map(hour).collect();
    hours.sort_unstable();
    hours.dedup();
    for some in hours.chunks(IDS) {
        let sql = "INSERT INTO hour_marks (hour, marked, rolled) SELECT toDateTime(arrayJoin({hours:Array(Int64)}), 'UTC'), now64(3), \
                   toDateTime64(0, 3, 'UTC')";
        let statement = store.client().query(sql).param("hours", some.to_vec());
        tokio::time::timeout(END_TIMEOUT, statement.execute()).await.map_err(|_| Error::TimedOut)??;
    }
    for some in events.chunks(IDS) {
        let plates = some.iter().filter_map(|event| match &event.event {
            Event::Passage(passage) => {
                Some((passage.plate.as_ref()?.text.clone(), passage.utc.0.div_euclid(1_000_000)))
            }
            _ => None,
        });
        let (plates, times): (Vec<String>, Vec<i64>) = plates.unzip();
        if plates.is_empty() {
            continue;
        }
        let sql = "INSERT INTO plates SELECT plate, min(at) AS first, max(at) AS last FROM (SELECT seen.1 AS plate, toDateTime(seen.2, 'UTC') AS at \
                   FROM (SELECT arrayJoin(arrayZip({plates:Array(String)}, {times:Array(Int64)})) AS seen)) GROUP BY plate";
        let statement = store.client().query(sql).param("plates", plates).param("times", times);
        tokio::time::timeout(END_TIMEOUT, statement.execute()).await.map_err(|_| Error::TimedOut)??;
    }
    Ok(())
}
