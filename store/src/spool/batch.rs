//! The reading side: batches with limits fixed on disk.

use redb::{ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use serde::{Deserialize, Serialize};
use stopline_types::{Event, UtcUs};

use super::{
    SpoolError,
    file::{ASIDE, NUMBERS, PASSAGES, RECORDS, SpoolFile},
    record,
};
use crate::envelope::{self, Opened};

/// An event as it lies in the spool, or on a partition of Kafka.
#[derive(Debug, Clone, PartialEq)]
pub struct Spooled {
    /// Sequence number in the spool; on Kafka the offset.
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

#[derive(Serialize, Deserialize)]
struct Aside {
    at: UtcUs,
    reason: String,
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
            match envelope::open(json) {
                Ok(Opened { at, event, json }) => events.push(Spooled { number, at, event, json }),
                Err(aside) => unreadable.push((number, aside.to_string())),
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

/// Moves records out of the way, each with its reason. They stay in the file for a person or a newer program.
pub(super) fn put_aside(file: &SpoolFile, numbers_and_reasons: &[(u64, String)]) -> Result<(), SpoolError> {
    for (number, reason) in numbers_and_reasons {
        tracing::error!(number, %reason, "a spooled record is kept aside");
    }
    file.write(|txn| {
        let (mut records, mut passages) = (txn.open_table(RECORDS)?, txn.open_table(PASSAGES)?);
        let (mut aside, mut numbers) = (txn.open_table(ASIDE)?, txn.open_table(NUMBERS)?);
        let mut bytes = numbers.get("bytes")?.map_or(0, |value| value.value());
        for (number, reason) in numbers_and_reasons {
            let Some(json) = records.remove(number)?.map(|json| json.value().to_vec()) else { continue };
            let raw = json.iter().map(|byte| format!("{byte:02x}")).collect();
            let note =
                serde_json::to_vec(&Aside { at: record::now(), reason: reason.clone(), raw }).unwrap_or_default();
            aside.insert(number, note.as_slice())?;
            passages.remove(number)?;
            bytes = bytes.saturating_sub(json.len() as u64);
        }
        numbers.insert("bytes", bytes)?;
        Ok(())
    })
}

/// Takes records that an older program could not read, and this one can, back among the others, under new numbers.
pub(super) fn take_back(file: &SpoolFile) -> Result<u64, SpoolError> {
    let readable = file.read(|txn| {
        let mut readable = Vec::new();
        for entry in txn.open_table(ASIDE)?.iter()? {
            let (number, note) = entry?;
            let Ok(Aside { raw, .. }) = serde_json::from_slice(note.value()) else { continue };
            let Some(json) = bytes_of(&raw) else { continue };
            // What was put aside for its length would only come here again.
            if json.len() <= envelope::MOST_BYTES && envelope::open(&json).is_ok() {
                readable.push((number.value(), json));
            }
        }
        Ok(readable)
    })?;
    if readable.is_empty() {
        return Ok(0);
    }
    file.write(|txn| {
        let (mut records, mut aside) = (txn.open_table(RECORDS)?, txn.open_table(ASIDE)?);
        let mut numbers = txn.open_table(NUMBERS)?;
        let get = |name: &str| Ok::<_, redb::Error>(numbers.get(name)?.map_or(0, |value| value.value()));
        let (mut next, mut bytes) = (get("next")?, get("bytes")?);
        for (number, json) in &readable {
            records.insert(next, json.as_slice())?;
            aside.remove(number)?;
            next += 1;
            bytes += json.len() as u64;
        }
        numbers.insert("next", next)?;
        numbers.insert("bytes", bytes)?;
        Ok(readable.len() as u64)
    })
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
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
