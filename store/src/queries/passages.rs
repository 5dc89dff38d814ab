//! Vehicles that passed.

use stopline_types::{Event, Passage, PassageFilter, PlateMatch};

use super::{Filter, event, limit};
use crate::{Store, StoreError};

impl Store {
    /// Passages, newest first.
    pub async fn passages(&self, filter: &PassageFilter) -> Result<Vec<Passage>, StoreError> {
        let of = |after| {
            let mut of = Filter::default();
            if let Some(plate) = &filter.plate {
                match filter.plate_match {
                    PlateMatch::Pattern => of.text("plate LIKE {plate:String}", "plate", like(plate)),
                    PlateMatch::Near => {
                        let near = "plate != '' AND damerauLevenshteinDistance(plate, {plate:String}) <= 1";
                        of.text(near, "plate", plate.as_str());
                    }
                }
            }
            if let Some(class) = filter.class {
                of.text("class = {class:String}", "class", class.as_str());
            }
            of.camera(filter.camera.as_ref());
            of.cameras(filter.cameras.as_deref());
            of.period(filter.from, filter.to);
            of.after(after);
            of
        };
        let (doing, rows) = ("reading passages", limit(filter.limit));
        let keys = self.choose(doing, "passages", &of, filter.after, rows).await?;
        let mut bodies = self.bodies(doing, "passages", &keys).await?;
        keys.iter()
            .filter_map(|(_, id)| bodies.remove(id))
            .map(|body| match event::<Event>("passages", &body)? {
                Event::Passage(passage) => Ok(passage),
                other => Err(StoreError::Row { table: "passages", reason: format!("it holds a {}", other.kind()) }),
            })
            .collect()
    }
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
}
