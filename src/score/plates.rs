//! Plates as read against plates as mounted.
//!
//! A plate counts as readable when for three frames it is at least 36 pixels wide (two lines of letters) or 60 (one
//! line) in the truth's frame, which is that of the main stream, and at least 90 % of it is visible: letters of about
//! 10 pixels. Others are set aside; a text read from one is judged all the same.

use serde::Serialize;
use stopline_types::PlateRead;

use super::{share, truth::Vehicle};

/// Figures of plates.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct PlateScore {
    /// Plates that can be read.
    pub readable: usize,
    /// Of those, read with every letter right.
    pub exact: usize,
    /// Of those, read otherwise.
    pub wrong: usize,
    /// Of those, not read.
    pub unread: usize,
    /// Plates too small or hidden.
    pub aside: usize,
    /// Of those, read with every letter right, and otherwise.
    pub aside_exact: usize,
    pub aside_wrong: usize,
    /// Wrong ones, of readable plates and others, that the engine was sure of.
    pub sure_but_wrong: usize,
    /// Each wrong one.
    pub misread: Vec<Misread>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Misread {
    pub who: String,
    pub t_s: f64,
    pub plate: String,
    pub read: String,
    pub confidence: f64,
}

impl PlateScore {
    /// Exact of readable.
    pub(crate) fn recall(&self) -> f64 {
        share(self.exact, self.readable)
    }

    /// Exact of all that was read, small ones too.
    pub(crate) fn precision(&self) -> f64 {
        let exact = self.exact + self.aside_exact;
        share(exact, exact + self.wrong + self.aside_wrong)
    }

    /// Counts what was read of a vehicle's plate. Vehicles without one (bicycles) count as nothing, unless a plate was
    /// read of them: that is wrong.
    pub(super) fn judge(&mut self, vehicle: &Vehicle, read: Option<&PlateRead>, readable: bool, t_s: f64) {
        let exact = read.is_some_and(|read| Some(&read.text) == vehicle.plate.as_ref());
        match (readable, read.is_some()) {
            (false, _) if vehicle.plate.is_none() && read.is_none() => return,
            (true, false) => self.unread += 1,
            (true, true) if exact => self.exact += 1,
            (true, true) => self.wrong += 1,
            (false, true) if exact => self.aside_exact += 1,
            (false, true) => self.aside_wrong += 1,
            (false, false) => {}
        }
        self.readable += usize::from(readable);
        self.aside += usize::from(!readable);
        if let Some(read) = read.filter(|_| !exact) {
            self.sure_but_wrong += usize::from(read.sure);
            self.misread.push(Misread {
                who: vehicle.id.clone(),
                t_s,
                plate: vehicle.plate.clone().unwrap_or_else(|| "none".to_owned()),
                read: read.text.clone(),
                confidence: read.confidence,
            });
        }
    }

    pub(super) fn add(&mut self, mut other: Self) {
        self.readable += other.readable;
        self.exact += other.exact;
        self.wrong += other.wrong;
        self.unread += other.unread;
        self.aside += other.aside;
        self.aside_exact += other.aside_exact;
        self.aside_wrong += other.aside_wrong;
        self.sure_but_wrong += other.sure_but_wrong;
        self.misread.append(&mut other.misread);
    }
}
