//! A number plate as read: what stands on it, how sure that is, and what speaks against it.

use serde::{Deserialize, Serialize};

use crate::{BoxPx, SizePx, UtcUs};

/// Kinds of Vietnamese plates by the text alone. One text may be of several kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PlateKind {
    /// Foreign persons and bodies: `80-441-NG-02`.
    Foreign,
    /// Temporary: `T80-235.88`.
    Temporary,
    /// Trailer or semi-trailer: `51RM-012.34`.
    Trailer,
    /// Electric motorcycle of the series MĐ, no longer issued: `29-MĐ1 234.56`.
    EbikeLegacy,
    /// Special series: `20KT-226.22`, `51LD-123.45`.
    Special,
    /// Motorcycle since 15 August 2023: `30-AB 266.59`.
    #[serde(rename = "moto_2letter")]
    Moto2Letter,
    /// Car with five digits: `30F-256.58`.
    #[serde(rename = "car_5")]
    Car5,
    /// Motorcycle with five digits: `29-B1 123.45`.
    #[serde(rename = "moto_ld_5")]
    MotoLd5,
    /// Motorcycle with four digits: `29-F1 1234`.
    #[serde(rename = "moto_ld_4")]
    MotoLd4,
    /// Car with four digits: `29A-1234`.
    #[serde(rename = "car_4")]
    Car4,
    /// Army: `TM-21-47`.
    Military,
}

impl PlateKind {
    /// All kinds, in the order they are listed in.
    pub const ALL: [Self; 11] = [
        Self::Foreign,
        Self::Temporary,
        Self::Trailer,
        Self::EbikeLegacy,
        Self::Special,
        Self::Moto2Letter,
        Self::Car5,
        Self::MotoLd5,
        Self::MotoLd4,
        Self::Car4,
        Self::Military,
    ];

    /// The word used in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Temporary => "temporary",
            Self::Trailer => "trailer",
            Self::EbikeLegacy => "ebike_legacy",
            Self::Special => "special",
            Self::Moto2Letter => "moto_2letter",
            Self::Car5 => "car_5",
            Self::MotoLd5 => "moto_ld_5",
            Self::MotoLd4 => "moto_ld_4",
            Self::Car4 => "car_4",
            Self::Military => "military",
        }
    }
}

/// Colour class of a plate, by its background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PlateColour {
    /// White, black characters.
    White,
    /// Yellow, black characters: transport business.
    Yellow,
    /// Blue, white characters: state bodies.
    Blue,
    /// Red, white characters: army.
    Red,
}

impl PlateColour {
    /// The word used in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Yellow => "yellow",
            Self::Blue => "blue",
            Self::Red => "red",
        }
    }
}

/// Why a read is not sure. A read without doubts is sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PlateDoubt {
    /// The confidence is below the reader's own bound.
    LowConfidence,
    /// The text is of no known kind of plate.
    NoKind,
    /// Several texts are about as likely.
    CloseAlternative,
    /// The track's reads are of different plates: it may have changed from one vehicle to another.
    ReadsDisagree,
    /// It hangs where it may be a neighbour's.
    Neighbour,
    /// Another track of the camera bore it a moment ago: one of them may have been read off the other's vehicle.
    BorneByAnother,
    /// Nothing on the plate allows this colour with this text.
    Colour,
}

/// A character changed because none such may stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlateEdit {
    /// Which character, from 0.
    pub position: usize,
    /// As read.
    pub from: char,
    /// As corrected.
    pub to: char,
}

/// Where a plate was issued, which is not where its owner lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlateProvince {
    /// Two digits.
    pub code: String,
    /// Whether that code was ever issued.
    pub issued: bool,
    /// The unit that holds the code today; null for codes never issued.
    pub name: Option<String>,
}

/// Another text the plate may bear. In JSON of earlier versions a bare text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "AlternativeJson")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlateAlternative {
    /// Canonical text.
    pub text: String,
    /// 0 to 1.
    pub confidence: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AlternativeJson {
    Bare(String),
    Whole { text: String, confidence: f64 },
}

impl From<AlternativeJson> for PlateAlternative {
    fn from(json: AlternativeJson) -> Self {
        match json {
            AlternativeJson::Bare(text) => Self { text, confidence: 0.0 },
            AlternativeJson::Whole { text, confidence } => Self { text, confidence },
        }
    }
}

/// Where and when the plate was seen best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlateSeen {
    /// Capture time of the frame.
    pub utc: UtcUs,
    /// The plate, in pixels of `frame_px`.
    #[serde(rename = "box")]
    pub bbox: BoxPx,
    /// Size of the frame it was read in, often larger than the analysed one.
    pub frame_px: SizePx,
}

/// A plate's text by vote over a track, or out of one picture. Fields beyond the first two are absent in JSON of
/// versions that did not read plates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlateRead {
    /// Canonical text: upper case, digits and letters only, Đ as D.
    pub text: String,
    /// That all of the text is right, 0 to 1.
    pub confidence: f64,
    /// Whether the text may be taken without a person's look. When false, `doubts` says why.
    #[serde(default)]
    pub sure: bool,
    /// Why it is not sure.
    #[serde(default)]
    pub doubts: Vec<PlateDoubt>,
    /// The text as people write it, e.g. `30F-256.58`; as `text` where it is of no known kind.
    #[serde(default)]
    pub display: String,
    /// All kinds the text may be of.
    #[serde(default)]
    pub kinds: Vec<PlateKind>,
    /// The one of `kinds` that fits colour, lines and vehicle, if only one does.
    #[serde(default)]
    pub kind: Option<PlateKind>,
    /// Background; null: not told.
    #[serde(default)]
    pub colour: Option<PlateColour>,
    /// Lines of text, 1 or 2; null: not told.
    #[serde(default)]
    pub lines: Option<u8>,
    /// Where it was issued; null where the text has no code.
    #[serde(default)]
    pub province: Option<PlateProvince>,
    /// The text before repairs.
    #[serde(default)]
    pub raw: String,
    /// What was repaired in `raw` to give `text`.
    #[serde(default)]
    pub edits: Vec<PlateEdit>,
    /// Confidence of each character of `text`, 0 to 1.
    #[serde(default)]
    pub characters: Vec<f64>,
    /// The next best texts, the likeliest first.
    #[serde(default)]
    pub alternatives: Vec<PlateAlternative>,
    /// No kind of `kinds` may be borne by a vehicle of the class seen: a wrong plate, or a wrong class.
    #[serde(default)]
    pub class_mismatch: bool,
    /// Pictures that voted.
    #[serde(default)]
    pub reads: u32,
    /// The picture that counted most.
    #[serde(default)]
    pub seen: Option<PlateSeen>,
    /// `name@first 12 digits of sha256` of locator and reader, joined by `+`.
    #[serde(default)]
    pub model: String,
}

impl PlateRead {
    /// A text and its confidence, nothing else known and not sure.
    #[must_use]
    pub fn new(text: impl Into<String>, confidence: f64) -> Self {
        let text = text.into();
        Self {
            raw: text.clone(),
            display: text.clone(),
            text,
            confidence,
            sure: false,
            doubts: Vec::new(),
            kinds: Vec::new(),
            kind: None,
            colour: None,
            lines: None,
            province: None,
            edits: Vec::new(),
            characters: Vec::new(),
            alternatives: Vec::new(),
            class_mismatch: false,
            reads: 1,
            seen: None,
            model: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_the_first_version_still_reads() -> Result<(), serde_json::Error> {
        let old = r#"{"text":"59S106865","confidence":0.9,"alternatives":["59S106866"]}"#;
        let read: PlateRead = serde_json::from_str(old)?;
        assert_eq!((read.text.as_str(), read.sure, read.kinds.len()), ("59S106865", false, 0));
        assert_eq!(read.alternatives, [PlateAlternative { text: "59S106866".into(), confidence: 0.0 }]);
        let again: PlateRead = serde_json::from_str(&serde_json::to_string(&read)?)?;
        assert_eq!(again, read);
        Ok(())
    }

    #[test]
    fn words_are_those_of_the_json() -> Result<(), serde_json::Error> {
        for kind in PlateKind::ALL {
            assert_eq!(serde_json::to_value(kind)?, kind.as_str());
        }
        for colour in [PlateColour::White, PlateColour::Yellow, PlateColour::Blue, PlateColour::Red] {
            assert_eq!(serde_json::to_value(colour)?, colour.as_str());
        }
        Ok(())
    }
}
