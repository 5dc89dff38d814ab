//! Codes of provinces on plates.

use std::collections::BTreeMap;

use serde::Deserialize;
use stopline_types::PlateProvince;

/// Two-digit codes: which were issued, and the unit that holds each today. Source: Circular 51/2025/TT-BCA, annex 02.
///
/// A merged unit keeps all codes of the units it was made of; a code says where a plate was issued.
#[derive(Debug, Clone)]
pub struct Provinces(BTreeMap<String, Row>);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    code: String,
    /// Empty: never issued.
    unit: String,
    /// The unit before the mergers of 1 July 2025, where it was another.
    unit_before_2025_07_01: String,
}

impl Provinces {
    /// From the text of `provinces.csv`; an error names line or code.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rows = BTreeMap::new();
        for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
            let row: Row = row.map_err(|e| e.to_string())?;
            if row.code.len() != 2 || !row.code.bytes().all(|b| b.is_ascii_digit()) {
                return Err(format!("code: expected two digits, found {:?}", row.code));
            }
            if let Some(earlier) = rows.insert(row.code.clone(), row) {
                return Err(format!("code {} stands twice", earlier.code));
            }
        }
        Ok(Self(rows))
    }

    /// Whether plates with this code were ever issued.
    #[must_use]
    pub fn issued(&self, code: &str) -> bool {
        self.0.get(code).is_some_and(|row| !row.unit.is_empty())
    }

    /// How many codes were issued.
    #[must_use]
    pub fn issued_codes(&self) -> usize {
        self.0.values().filter(|row| !row.unit.is_empty()).count()
    }

    /// What is known of a code. Codes that are in no table were never issued.
    #[must_use]
    pub fn get(&self, code: &str) -> PlateProvince {
        let row = self.0.get(code).filter(|row| !row.unit.is_empty());
        PlateProvince { code: code.to_owned(), issued: row.is_some(), name: row.map(|row| row.unit.clone()) }
    }

    /// The unit that held the code before the mergers of 1 July 2025.
    #[must_use]
    pub fn name_before_mergers(&self, code: &str) -> Option<&str> {
        let row = self.0.get(code)?;
        let name = if row.unit_before_2025_07_01.is_empty() { &row.unit } else { &row.unit_before_2025_07_01 };
        Some(name.as_str()).filter(|name| !name.is_empty())
    }
}
