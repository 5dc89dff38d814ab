//! The reading side: batches with limits fixed on disk.

use redb::{ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use serde::Serialize;
use stopline_types::{Event, UtcUs};

use super::{
    SpoolError,
    file::{ASIDE, NUMBERS, PASSAGES, RECORDS, SpoolFile},
    record,
};

/// An event as it lies in the spool.
#[derive(Debug, Clone, PartialEq)]
pub struct Spooled {
    /// Sequence number.
    pub number: u64,
    /// When it was appended: the same at every reading.
    pub at: UtcUs,
    /// The event.
    pub event: Event,
    /// Its JSON, byte for byte as stored.
    pub json: String,
}

/// Events handed out together. The same until acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// First sequence number the batch covers.
    pub first: u64,
    /// Last sequence number the batch covers.
    pub last: u64,
    /// Its events, by number. Fewer than `last - first + 1` where records were shed or put aside, possibly none.
    pub events: Vec<Spooled>,
}

#[derive(Serialize)]
struct Aside<'a> {
    at: UtcUs,
    reason: &'a str,
    raw: String,
}

/// See [`super::Spool::next_batch`].
pub(super) fn next(file: &SpoolFile, rows: usize, bytes: u64) -> Result<Option<Batch>, SpoolError> {
    // Looking is free; only a new batch or an unreadable record costs a commit.
    if file.read(|txn| Ok(txn.open_table(RECORDS)?.is_empty()? && open_batch(&txn.open_table(NUMBERS)?)?.is_none()))? {
        return Ok(None);
    }
    let fixed = file.read(|txn| open_batch(&txn.open_table(NUMBERS)?))?;
    let (first, last) = match fixed {
        Some(limits) => limits,
        None => match file.write(|txn| fix(txn, rows.max(1), bytes))? {
            Some(limits) => limits,
            None => return Ok(None),
        },
    };
    let mut unreadable = Vec::new();
    let events = file.read(|txn| {
        let records = txn.open_table(RECORDS)?;
        let mut events = Vec::new();
        for entry in records.range(first..=last)? {
            let (number, json) = entry?;
            let (number, json) = (number.value(), json.value());
            match record::decode(json) {
                Ok((event, at, json)) => events.push(Spooled { number, at, event, json }),
                Err(reason) => unreadable.push((number, json.to_vec(), reason)),
            }
        }
        Ok(events)
    })?;
    if !unreadable.is_empty() {
        put_aside(file, &unreadable)?;
    }
    Ok(Some(Batch { first, last, events }))
}

fn open_batch(numbers: &impl redb::ReadableTable<&'static str, u64>) -> Result<Option<(u64, u64)>, redb::Error> {
    let (first, last) = (numbers.get("batch_first")?, numbers.get("batch_last")?);
    Ok(first.zip(last).map(|(first, last)| (first.value(), last.value())))
}

/// Chooses the limits of the next batch and writes them down.
fn fix(txn: &WriteTransaction, rows: usize, bytes: u64) -> Result<Option<(u64, u64)>, redb::Error> {
    let records = txn.open_table(RECORDS)?;
    let mut limits: Option<(u64, u64)> = None;
    let mut taken_bytes = 0;
    for entry in records.iter()?.take(rows) {
        let (number, json) = entry?;
        taken_bytes += json.value().len() as u64;
        if limits.is_some() && taken_bytes > bytes {
            break;
        }
        limits = Some((limits.map_or(number.value(), |(first, _)| first), number.value()));
    }
    if let Some((first, last)) = limits {
        let mut numbers = txn.open_table(NUMBERS)?;
        numbers.insert("batch_first", first)?;
        numbers.insert("batch_last", last)?;
    }
    Ok(limits)
}

/// Moves records that cannot be read out of the way. They stay in the file for a person or a newer program.
fn put_aside(file: &SpoolFile, unreadable: &[(u64, Vec<u8>, String)]) -> Result<(), SpoolError> {
    for (number, _, reason) in unreadable {
        tracing::error!(number, %reason, "a spooled record cannot be read and is kept aside");
    }
    file.write(|txn| {
        let (mut records, mut passages) = (txn.open_table(RECORDS)?, txn.open_table(PASSAGES)?);
        let (mut aside, mut numbers) = (txn.open_table(ASIDE)?, txn.open_table(NUMBERS)?);
        let mut bytes = numbers.get("bytes")?.map_or(0, |value| value.value());
        for (number, json, reason) in unreadable {
            let raw = json.iter().map(|byte| format!("{byte:02x}")).collect();
            let note = serde_json::to_vec(&Aside { at: record::now(), reason, raw }).unwrap_or_default();
            aside.insert(number, note.as_slice())?;
            records.remove(number)?;
            passages.remove(number)?;
            bytes = bytes.saturating_sub(json.len() as u64);
        }
        numbers.insert("bytes", bytes)?;
        Ok(())
    })
}

/// See [`super::Spool::ack`].
pub(super) fn ack(file: &SpoolFile, batch: &Batch) -> Result<(), SpoolError> {
    file.write(|txn| {
        let mut numbers = txn.open_table(NUMBERS)?;
        let mut records = txn.open_table(RECORDS)?;
        if open_batch(&numbers)? != Some((batch.first, batch.last)) {
            // Acknowledged before, or not ours: deleting would lose events.
            return Ok(());
        }
        let mut passages = txn.open_table(PASSAGES)?;
        let mut freed = 0;
        for entry in records.extract_from_if(batch.first..=batch.last, |_, _| true)? {
            freed += entry?.1.value().len() as u64;
        }
        passages.retain_in(batch.first..=batch.last, |_, _| false)?;
        let bytes = numbers.get("bytes")?.map_or(0, |value| value.value());
        numbers.insert("bytes", bytes.saturating_sub(freed))?;
        numbers.remove("batch_first")?;
        numbers.remove("batch_last")?;
        Ok(())
    })
}
