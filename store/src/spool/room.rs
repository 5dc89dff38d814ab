//! Accounting of one group: what fits, what is shed.

use redb::{ReadableTable as _, Table, WriteTransaction};

use super::{
    Appended,
    file::{NUMBERS, PASSAGES, RECORDS},
    record::Record,
    writer::Verdict,
};

/// The tables of an open transaction with the numbers in memory.
pub(super) struct Room<'txn> {
    records: Table<'txn, u64, &'static [u8]>,
    passages: Table<'txn, u64, u64>,
    numbers: Table<'txn, &'static str, u64>,
    limit: u64,
    next: u64,
    bytes: u64,
    /// Last number of the batch in flight: up to here nothing is shed.
    pinned: Option<u64>,
    refused: u64,
    removed: u64,
}

impl<'txn> Room<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction, limit: u64) -> Result<Self, redb::Error> {
        let numbers = txn.open_table(NUMBERS)?;
        let get = |name: &str| Ok::<_, redb::Error>(numbers.get(name)?.map(|number| number.value()));
        let (next, bytes) = (get("next")?.unwrap_or(0), get("bytes")?.unwrap_or(0));
        let (refused, removed) = (get("shed_refused")?.unwrap_or(0), get("shed_removed")?.unwrap_or(0));
        let pinned = get("batch_last")?;
        Ok(Self {
            records: txn.open_table(RECORDS)?,
            passages: txn.open_table(PASSAGES)?,
            numbers,
            limit,
            next,
            bytes,
            pinned,
            refused,
            removed,
        })
    }

    /// Appends one caller's records: its violations, reviews and incidents all or none, its passages as far as they fit.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<Verdict, redb::Error> {
        let wanted: u64 = records.iter().filter(|record| !record.sheddable).map(length).sum();
        if wanted > 0 && !self.make_room(wanted)? {
            return Ok(Verdict::NoRoom { used: self.bytes, wanted });
        }
        // The room made above is theirs, whatever passages stand before them in the list.
        let mut reserved = wanted;
        let mut appended = Appended::default();
        for record in records {
            if record.sheddable {
                if self.bytes + reserved + length(record) > self.limit {
                    appended.shed += 1;
                    self.refused += 1;
                    continue;
                }
                self.passages.insert(self.next, length(record))?;
            } else {
                reserved -= length(record);
            }
            self.records.insert(self.next, record.json.as_slice())?;
            self.next += 1;
            self.bytes += length(record);
            appended.stored += 1;
        }
        Ok(Verdict::Stored(appended))
    }

    /// Removes stored passages, oldest first, until `wanted` bytes are free; none if even all would not do.
    fn make_room(&mut self, wanted: u64) -> Result<bool, redb::Error> {
        let missing = (self.bytes + wanted).saturating_sub(self.limit);
        if missing == 0 {
            return Ok(true);
        }
        let mut given_up = Vec::new();
        let mut freed = 0;
        for entry in self.passages.range(self.pinned.map_or(0, |last| last + 1)..)? {
            let (number, bytes) = entry?;
            given_up.push(number.value());
            freed += bytes.value();
            if freed >= missing {
                break;
            }
        }
        if freed < missing {
            return Ok(false);
        }
        for number in given_up {
            self.records.remove(number)?;
            self.passages.remove(number)?;
            self.removed += 1;
        }
        self.bytes -= freed;
        Ok(true)
    }

    /// Writes the numbers back.
    pub(super) fn close(mut self) -> Result<(), redb::Error> {
        for (name, value) in
            [("next", self.next), ("bytes", self.bytes), ("shed_refused", self.refused), ("shed_removed", self.removed)]
        {
            self.numbers.insert(name, value)?;
        }
        Ok(())
    }
}

fn length(record: &Record) -> u64 {
    record.json.len() as u64
}
