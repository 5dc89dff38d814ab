//! Vehicles that passed.

use stopline_types::{Event, Passage, PassageFilter};

use super::{Filter, event, limit, plates::Plates};
use crate::{Store, StoreError};

impl Store {
    /// Passages, newest first.
    pub async fn passages(&self, filter: &PassageFilter) -> Result<Vec<Passage>, StoreError> {
        let plates = match &filter.plate {
            None => Plates::Any,
            Some(plate) => self.plates(plate, filter.plate_match).await?,
        };
        let of = |after| {
            let mut of = Filter::default();
            match &plates {
                Plates::Any => {}
                Plates::One(plate) => of.text("plate = {plate:String}", "plate", plate.as_str()),
                Plates::These(plates) => of.texts("plate IN {plates:Array(String)}", "plates", plates.clone()),
                Plates::Like(like) => of.text("plate LIKE {plate:String}", "plate", like.as_str()),
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
