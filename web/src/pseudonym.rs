//! Plates for people who may not see them: the same plate has the same pseudonym, so journeys and repetitions can be
//! followed, but nobody can tell the plate without the key, which never leaves this installation.

use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};
use stopline_types::{Event, PlateRead};

use crate::{
    IdentityError,
    secret::{Secret, hex},
};

/// What a pseudonym begins with: no plate does.
pub(crate) const PREFIX: &str = "~";

#[derive(Debug, Clone)]
pub(crate) struct Pseudonyms([u8; 32]);

impl Pseudonyms {
    pub(crate) fn open(db: &Connection) -> Result<Self, IdentityError> {
        let kept: Option<[u8; 32]> =
            db.query_row("SELECT value FROM secrets WHERE name = 'pseudonyms'", [], |row| row.get(0)).optional()?;
        if let Some(key) = kept {
            return Ok(Self(key));
        }
        let key = Secret::random()?.sha256();
        db.execute("INSERT INTO secrets (name, value) VALUES ('pseudonyms', ?1)", [key])?;
        Ok(Self(key))
    }

    pub(crate) fn of(&self, plate: &str) -> String {
        // Nested, as HMAC does it, so that the key cannot be extended into.
        let inner = Sha256::new().chain_update(self.0).chain_update([0x36]).chain_update(plate).finalize();
        let outer = Sha256::new().chain_update(self.0).chain_update([0x5c]).chain_update(inner).finalize();
        format!("{PREFIX}{}", &hex(&outer)[..10])
    }

    pub(crate) fn mask(&self, plate: &mut Option<PlateRead>) {
        if let Some(read) = plate {
            // Whatever else is known of a plate would tell it too, so only the pseudonym is left.
            let masked = serde_json::json!({ "text": self.of(&read.text), "confidence": read.confidence });
            *plate = serde_json::from_value(masked).ok();
        }
    }

    pub(crate) fn mask_event(&self, event: &mut Event) {
        match event {
            Event::Passage(passage) => self.mask(&mut passage.plate),
            Event::Violation(violation) => self.mask(&mut violation.plate),
            Event::Review(review) => review.plate = None,
            Event::Incident(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;

    #[test]
    fn the_same_plate_has_one_pseudonym_also_after_a_restart() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let first = Database::open(dir.path())?.with(Pseudonyms::open)?;
        let again = Database::open(dir.path())?.with(Pseudonyms::open)?;
        assert_eq!(first.of("30F25658"), again.of("30F25658"));
        assert_ne!(first.of("30F25658"), first.of("30F25659"));
        let elsewhere = tempfile::tempdir()?;
        let other = Database::open(elsewhere.path())?.with(Pseudonyms::open)?;
        assert_ne!(first.of("30F25658"), other.of("30F25658"), "another installation, another key");
        Ok(())
    }
}
