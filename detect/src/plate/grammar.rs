//! What may stand on a plate: kinds of a text, repairs by position, and what colour, lines and vehicle add.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use stopline_types::{PlateColour, PlateEdit, PlateKind, PlateProvince, VehicleClass};

use super::{
    Provinces,
    form::{Form, FormRow, Repairs},
};

/// What is wrong with the grammar's files.
#[derive(Debug, thiserror::Error)]
pub enum GrammarError {
    /// Not TOML of the expected shape; the text names line and key.
    #[error("plate grammar {}: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("plate grammar {}: {key}: {reason}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// For example `form 3 (car_5)`.
        key: String,
        /// What is expected and what was found.
        reason: String,
    },
    /// The table of provinces.
    #[error("plate provinces {}: {reason}", path.display())]
    Provinces {
        /// The file.
        path: PathBuf,
        /// Line or code, and what is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrammarFile {
    sets: BTreeMap<String, String>,
    form: Vec<FormRow>,
    state: State,
    repair: Repairs,
}

/// What only state bodies bear.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    colour: PlateColour,
    letters: String,
}

/// The forms of Vietnamese plates. Pure: the same text gives the same answer.
#[derive(Debug, Clone)]
pub struct Grammar {
    forms: Vec<Form>,
    provinces: Provinces,
    repairs: Repairs,
    state: State,
}

/// A text as it may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Canonical, and of at least one kind.
    pub text: String,
    /// What was changed; empty: nothing.
    pub edits: Vec<PlateEdit>,
}

/// What is known of a plate beside its text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its background.
    pub colour: Option<PlateColour>,
    /// Its lines of text.
    pub lines: Option<u8>,
    /// The vehicle that bears it.
    pub class: Option<VehicleClass>,
}

/// A text with what else is known of its plate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// All kinds by text alone.
    pub kinds: Vec<PlateKind>,
    /// The only one that fits everything that is known.
    pub kind: Option<PlateKind>,
    /// As people write it.
    pub display: String,
    /// No kind that fits colour and lines may be borne by a vehicle of that class.
    pub class_mismatch: bool,
    /// Whether a plate of that colour may bear the text.
    pub colour_fits: bool,
    /// Where it was issued.
    pub province: Option<PlateProvince>,
}

/// The canonical form of a text: upper case, Đ as D, digits and letters A to Z only. A letter with an accent is none of
/// them and is left out, composed or not.
#[must_use]
pub fn canonical(text: &str) -> String {
    let mut out = String::new();
    let mut letter_before = false;
    for c in text.chars() {
        if ('\u{300}'..='\u{36f}').contains(&c) {
            if std::mem::take(&mut letter_before) {
                out.pop();
            }
            continue;
        }
        letter_before = false;
        match c {
            'Đ' | 'đ' => out.push('D'),
            c if c.is_ascii_alphanumeric() => {
                letter_before = c.is_ascii_alphabetic();
                out.push(c.to_ascii_uppercase());
            }
            _ => {}
        }
    }
    out
}

impl Grammar {
    /// The one this program was built with: `config/plates`.
    pub fn built_in() -> Result<Self, GrammarError> {
        let text = include_str!("../../../config/plates/grammar.toml");
        let provinces = include_str!("../../../config/plates/provinces.csv");
        let folder = Path::new("config/plates");
        Self::parse(&folder.join("grammar.toml"), text, &folder.join("provinces.csv"), provinces)
    }

    /// From the texts of both files; the paths are only named in errors.
    pub fn parse(path: &Path, text: &str, provinces_path: &Path, provinces: &str) -> Result<Self, GrammarError> {
        let file: GrammarFile = toml::from_str(text)
            .map_err(|source| GrammarError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        let provinces = Provinces::parse(provinces)
            .map_err(|reason| GrammarError::Provinces { path: provinces_path.to_owned(), reason })?;
        let mut forms = Vec::new();
        for (at, row) in file.form.iter().enumerate() {
            let key = || format!("form {} ({})", at + 1, row.kind.as_str());
            let of = Form::of(row, &file.sets);
            forms.extend(of.map_err(|reason| GrammarError::Value { path: path.to_owned(), key: key(), reason })?);
        }
        Ok(Self { forms, provinces, repairs: file.repair, state: file.state })
    }

    /// The table of provinces.
    #[must_use]
    pub fn provinces(&self) -> &Provinces {
        &self.provinces
    }

    /// All kinds a canonical text may be of.
    #[must_use]
    pub fn kinds(&self, text: &str) -> Vec<PlateKind> {
        let mut kinds: Vec<_> = self.matching(text).map(|form| form.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// What a canonical text may have been meant to be, with the fewest changes: the text itself if it is of a kind, else
    /// all that differ from it by as few characters as possible, each allowed at its place only. Empty: no plate.
    #[must_use]
    pub fn repair(&self, raw: &str) -> Vec<Repaired> {
        if self.matching(raw).next().is_some() {
            return vec![Repaired { text: raw.to_owned(), edits: Vec::new() }];
        }
        let mended: Vec<_> =
            self.forms.iter().filter_map(|form| form.mend(raw, &self.repairs, &self.provinces)).collect();
        let least = mended.iter().map(|m| m.edits.len()).min().unwrap_or(0);
        let mut found: Vec<Repaired> = Vec::new();
        for mended in mended.into_iter().filter(|m| m.edits.len() == least) {
            for text in std::iter::once(mended.text).chain(mended.others) {
                if !found.iter().any(|known| known.text == text) {
                    found.push(Repaired { edits: edits(raw, &text), text });
                }
            }
        }
        found
    }

    /// Joins a canonical text with what is known of its plate.
    #[must_use]
    pub fn resolve(&self, text: &str, seen: Seen) -> Resolved {
        let forms: Vec<&Form> = self.matching(text).collect();
        let colour_fits = |form: &Form| seen.colour.is_none_or(|colour| self.allows_colour(form, text, colour));
        let lines_fit = |form: &Form| seen.lines.is_none_or(|lines| form.lines.contains(&lines));
        let class_fits = |form: &Form| {
            seen.class.is_none_or(|class| form.classes.as_ref().is_none_or(|classes| classes.contains(&class)))
        };
        let looks: Vec<&Form> = forms.iter().copied().filter(|form| colour_fits(form) && lines_fit(form)).collect();
        // A plate that looks like none of its kinds says nothing about the vehicle by its looks: all kinds are asked.
        let asked = if looks.is_empty() { &forms } else { &looks };
        let fits: Vec<&Form> = looks.iter().copied().filter(|form| class_fits(form)).collect();
        let kind = fits.first().map(|form| form.kind).filter(|kind| fits.iter().all(|form| form.kind == *kind));
        let shown = fits.first().or(looks.first()).or(forms.first());
        Resolved {
            kinds: self.kinds(text),
            kind,
            display: shown.map_or_else(|| text.to_owned(), |form| form.display(text)),
            class_mismatch: !asked.is_empty() && !asked.iter().any(|form| class_fits(form)),
            colour_fits: forms.is_empty() || forms.iter().any(|form| colour_fits(form)),
            province: self.province(text),
        }
    }

    /// Where a text was issued: the two digits where its form has them, else at its begin. The army's have none.
    #[must_use]
    pub fn province(&self, text: &str) -> Option<PlateProvince> {
        let at = match self.matching(text).next() {
            Some(form) => form.province_at?,
            None => 0,
        };
        let code = text.get(at..at + 2).filter(|code| code.bytes().all(|b| b.is_ascii_digit()))?;
        Some(self.provinces.get(code))
    }

    fn matching<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a Form> {
        self.forms.iter().filter(move |form| form.matches(text, &self.provinces))
    }

    fn allows_colour(&self, form: &Form, text: &str, colour: PlateColour) -> bool {
        let series = form.province_at.and_then(|at| text.chars().nth(at + 2));
        let state_may = colour != self.state.colour || series.is_some_and(|c| self.state.letters.contains(c));
        form.colours.contains(&colour) && state_may
    }

    #[cfg(test)]
    pub(super) fn forms(&self) -> &[Form] {
        &self.forms
    }
}

/// Where two texts of one length differ.
pub(super) fn edits(raw: &str, text: &str) -> Vec<PlateEdit> {
    let pairs = raw.chars().zip(text.chars()).enumerate();
    pairs.filter(|(_, (from, to))| from != to).map(|(position, (from, to))| PlateEdit { position, from, to }).collect()
}

#[cfg(test)]
#[path = "grammar_tests.rs"]
mod tests;
