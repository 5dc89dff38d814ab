//! Number plates: what may stand on one, where it is in a picture, what stands on it, and how several looks at one plate
//! are one answer.
//!
//! - [`Grammar`]: kinds, provinces, repairs by position; pure functions over text, their facts in `config/plates`
//! - [`colour`], [`warp`]: the plate's pixels
//! - [`vote`]: several looks, one text with alternatives and confidence
//! - [`PlateMoments`]: which pictures of a vehicle are worth a look
//! - [`PlateEye`]: locator and reader put together
//!
//! "Unsure" is an answer. Nothing is guessed silently: what was changed stands in the read's `edits`, why it is not sure in
//! its `doubts`.

pub mod colour;
mod eye;
mod form;
mod grammar;
mod moments;
pub mod owner;
mod province;
pub mod vote;
pub mod warp;

pub use eye::{PlateEye, PlateFound};
pub use grammar::{Grammar, GrammarError, Repaired, Resolved, Seen, canonical};
pub use moments::{PlateMoment, PlateMoments};
pub use province::Provinces;
