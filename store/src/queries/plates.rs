//! Which plates are meant: a search looks through the plates there are, then for the passages of those it found.

use clickhouse::Row;
use serde::Deserialize;
use stopline_types::PlateMatch;

use crate::{Store, StoreError, store::within};

/// Plates of one search at most. A pattern that fits more is held against the passages themselves: where nearly every
/// passage fits, the newest are found at once.
const MOST: usize = 2_000;

/// Characters that readers of plates take for one another, each with the one that stands for its group. Letters
/// that stand on no Vietnamese plate are among them: a reader may see them all the same.
const LOOKALIKES: (&str, &str) = ("OQDILJTZSGBAVNF", "000111725684UME");

/// Plates that passages are searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plates {
    /// All, and passages without one.
    Any,
    One(String),
    These(Vec<String>),
    /// A pattern in the words of LIKE.
    Like(String),
}

#[derive(Row, Deserialize)]
struct PlateRow {
    plate: String,
}

impl Store {
    pub(super) async fn plates(&self, asked: &str, how: PlateMatch) -> Result<Plates, StoreError> {
        let (sql, name, value) = match how {
            PlateMatch::Pattern if !asked.contains(['*', '?']) => return Ok(Plates::One(asked.to_owned())),
            PlateMatch::Pattern if asked.chars().all(|c| c == '*') => return Ok(Plates::Any),
            PlateMatch::Pattern => ("plate LIKE {plate:String}", "plate", like(asked)),
            PlateMatch::Near => (
                "abs(toInt64(length(plate)) - toInt64(length({plate:String}))) <= 1 \
                 AND damerauLevenshteinDistance(translate(plate, {from:String}, {to:String}), {plate:String}) <= 1",
                "plate",
                folded(asked),
            ),
        };
        let sql = format!("SELECT plate FROM plates WHERE {sql} GROUP BY plate ORDER BY plate LIMIT {}", MOST + 1);
        let query = self.client().query(&sql).param(name, &value).param("from", LOOKALIKES.0).param("to", LOOKALIKES.1);
        let found = within("looking for plates", query.fetch_all::<PlateRow>()).await?;
        let mut found: Vec<String> = found.into_iter().map(|row| row.plate).collect();
        if how == PlateMatch::Pattern && found.len() > MOST {
            return Ok(Plates::Like(value));
        }
        found.truncate(MOST);
        Ok(Plates::These(found))
    }
}

/// A plate with each character as its group's, so that plates that look alike are the same.
fn folded(plate: &str) -> String {
    let one = |c| LOOKALIKES.0.chars().position(|of| of == c).and_then(|n| LOOKALIKES.1.chars().nth(n)).unwrap_or(c);
    plate.chars().map(one).collect()
}

/// A plate pattern (`*` any run, `?` one character) as ClickHouse's LIKE, whose own signs are escaped.
fn like(pattern: &str) -> String {
    let mut like = String::new();
    for c in pattern.chars() {
        match c {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '\\' => like.extend(['\\', c]),
            c => like.push(c),
        }
    }
    like
}

#[cfg(test)]
mod tests {
    #[test]
    fn wildcards_become_like() {
        assert_eq!(super::like("59?1*"), "59_1%");
        assert_eq!(super::like("%_\\"), "\\%\\_\\\\");
    }

    #[test]
    fn lookalikes_are_one() {
        assert_eq!(super::LOOKALIKES.0.len(), super::LOOKALIKES.1.len());
        assert_eq!(super::folded("29BI-OZS"), super::folded("2981-025"));
        assert_ne!(super::folded("29B1"), super::folded("29B3"));
        for stands in super::LOOKALIKES.1.chars() {
            assert_eq!(super::folded(&stands.to_string()), stands.to_string(), "{stands} stands for its group");
        }
    }
}
