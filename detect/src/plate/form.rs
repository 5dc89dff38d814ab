//! One form of plate, character by character.

use std::collections::BTreeMap;

use serde::Deserialize;
use stopline_types::{PlateColour, PlateEdit, PlateKind, VehicleClass};

use super::Provinces;

/// A form as written in `grammar.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FormRow {
    pub(super) kind: PlateKind,
    pub(super) text: String,
    display: String,
    colours: Vec<PlateColour>,
    lines: Vec<u8>,
    classes: Option<Vec<VehicleClass>>,
}

/// A place of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cell {
    /// What may stand there.
    set: String,
    /// A misread character may be put right.
    mends: bool,
}

/// A form, with one choice made of each of its words.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) kind: PlateKind,
    pub(super) colours: Vec<PlateColour>,
    pub(super) lines: Vec<u8>,
    pub(super) classes: Option<Vec<VehicleClass>>,
    display: String,
    cells: Vec<Cell>,
    /// Where the province's two digits stand.
    pub(super) province_at: Option<usize>,
    /// Digits at the end.
    number: usize,
}

const DIGITS: &str = "0123456789";

/// Which characters may be changed into which.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repairs {
    pub(super) most: usize,
    to_digit: BTreeMap<char, String>,
    to_letter: BTreeMap<char, String>,
}

impl Repairs {
    /// What `from` may be meant to be where only `set` may stand, the likeliest first.
    fn options<'a>(&'a self, from: char, set: &'a str) -> impl Iterator<Item = char> + 'a {
        let of = |table: &'a BTreeMap<char, String>| table.get(&from).map_or("", String::as_str);
        of(&self.to_digit).chars().chain(of(&self.to_letter).chars()).filter(|to| set.contains(*to))
    }
}

/// A text changed to be of a form, and what else each change may have been.
pub(super) struct Mended {
    pub(super) text: String,
    pub(super) edits: Vec<PlateEdit>,
    pub(super) others: Vec<String>,
}

impl Form {
    /// All forms of a row; an error says what is wrong with it.
    pub(super) fn of(row: &FormRow, sets: &BTreeMap<String, String>) -> Result<Vec<Self>, String> {
        let mut shapes: Vec<Vec<Cell>> = vec![Vec::new()];
        let mut province_at = None;
        for token in row.text.split_whitespace() {
            let (fixed, rest) = token.strip_prefix('!').map_or((false, token), |rest| (true, rest));
            let (name, times) = match rest.split_once('*') {
                Some((name, times)) => {
                    (name, times.parse::<usize>().map_err(|_| format!("{token:?}: expected a number after *"))?)
                }
                None => (rest, 1),
            };
            let cells = |set: &str| vec![Cell { set: set.to_owned(), mends: !fixed }; times];
            if name == "P" {
                province_at = Some(shapes[0].len());
                shapes.iter_mut().for_each(|shape| shape.extend(vec![Cell { set: DIGITS.to_owned(), mends: true }; 2]));
            } else if let Some(set) = sets.get(name) {
                shapes.iter_mut().for_each(|shape| shape.extend(cells(set)));
            } else if !name.is_empty() && name.chars().all(|c| c == '|' || c.is_ascii_uppercase()) {
                let words = name
                    .split('|')
                    .map(|word| word.chars().map(|c| Cell { set: c.to_string(), mends: false }).collect::<Vec<_>>());
                let words: Vec<_> = words.collect();
                shapes = shapes.iter().flat_map(|shape| words.iter().map(|word| [&shape[..], word].concat())).collect();
            } else {
                return Err(format!("{token:?}: expected P, a name of [sets], or words in capitals"));
            }
        }
        shapes.into_iter().map(|cells| Self::with(row, cells, province_at)).collect()
    }

    fn with(row: &FormRow, cells: Vec<Cell>, province_at: Option<usize>) -> Result<Self, String> {
        let shown = row.display.chars().filter(|c| *c == '#').count();
        if shown != cells.len() {
            return Err(format!("display {:?} has {shown} characters, text has {}", row.display, cells.len()));
        }
        if row.colours.is_empty() || row.lines.is_empty() {
            return Err("colours and lines: expected at least one of each".into());
        }
        let number = cells.iter().rev().take_while(|cell| cell.set == DIGITS).count();
        if number == 0 {
            return Err(format!("text {:?}: expected digits at the end", row.text));
        }
        Ok(Self {
            kind: row.kind,
            colours: row.colours.clone(),
            lines: row.lines.clone(),
            classes: row.classes.clone(),
            display: row.display.clone(),
            cells,
            province_at,
            number,
        })
    }

    /// Characters of the text.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether the canonical `text` is of this form.
    pub(super) fn matches(&self, text: &str, provinces: &Provinces) -> bool {
        text.len() == self.cells.len()
            && text.chars().zip(&self.cells).all(|(c, cell)| cell.set.contains(c))
            && self.province_at.is_none_or(|at| provinces.issued(&text[at..at + 2]))
            && text.bytes().rev().take(self.number).any(|digit| digit != b'0')
    }

    /// `raw` with misread characters put right, if that makes it of this form with at most `repairs.most` changes.
    pub(super) fn mend(&self, raw: &str, repairs: &Repairs, provinces: &Provinces) -> Option<Mended> {
        if raw.len() != self.cells.len() {
            return None;
        }
        let mut text: Vec<char> = raw.chars().collect();
        let (mut edits, mut others) = (Vec::new(), Vec::new());
        for (position, (from, cell)) in raw.chars().zip(&self.cells).enumerate() {
            if cell.set.contains(from) {
                continue;
            }
            let mut options =
                if cell.mends { Some(repairs.options(from, &cell.set)) } else { None }.into_iter().flatten();
            let to = options.next()?;
            others.extend(options.map(|other| (position, other)));
            edits.push(PlateEdit { position, from, to });
            text[position] = to;
        }
        let whole = |text: &[char]| text.iter().collect::<String>();
        let mended = whole(&text);
        if edits.len() > repairs.most || !self.matches(&mended, provinces) {
            return None;
        }
        let others = others.into_iter().map(|(position, other)| {
            let mut text = text.clone();
            text[position] = other;
            whole(&text)
        });
        let others = others.filter(|other| self.matches(other, provinces)).collect();
        Some(Mended { text: mended, edits, others })
    }

    /// As people write it. `text` must be of this form.
    pub(super) fn display(&self, text: &str) -> String {
        let mut characters = text.chars();
        self.display.chars().filter_map(|c| if c == '#' { characters.next() } else { Some(c) }).collect()
    }

    /// A text of this form out of as many numbers as it has characters, for tests; the province must be given as two
    /// digits that were issued.
    #[cfg(test)]
    pub(super) fn made_of(&self, picks: &[usize], province: &str) -> String {
        let pick = |(cell, pick): (&Cell, &usize)| cell.set.as_bytes()[pick % cell.set.len()] as char;
        let mut text: Vec<char> = self.cells.iter().zip(picks).map(pick).collect();
        if let Some(at) = self.province_at {
            text[at..at + 2].iter_mut().zip(province.chars()).for_each(|(c, digit)| *c = digit);
        }
        if text.iter().rev().take(self.number).all(|c| *c == '0') {
            text[self.cells.len() - 1] = '1';
        }
        text.into_iter().collect()
    }

    /// Places whose characters may be put right.
    #[cfg(test)]
    pub(super) fn mends_at(&self, position: usize) -> bool {
        self.cells[position].mends
    }
}
