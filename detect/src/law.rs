//! The legal catalogue: which article an act falls under, by rule, class, excess speed and the day of the act.
//!
//! Form: a CSV file in UTF-8 with a header line (RFC 4180). Columns: `code`, `name_vi`, `name_en`, `vehicle` (the
//! law's group: car, motorcycle, bicycle, special_machine, person), `article`, `fine_min`, `fine_max` (VND, empty: a
//! warning), `points`, `rule` (rules of the engine that it prices, apart by
//! spaces, each with `/` and which act of it where the law tells several apart, e.g. `forbidden_turn/left`; empty: none),
//! `excess_kmh` (`[10;20]`: brackets include the bound,
//! parentheses do not; `inf` has no end), `valid_from`, `valid_to` (first and last day in Vietnam, empty: open),
//! `notes`, `confidence`.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use stopline_types::{LegalRef, RuleKind, UtcUs, VehicleClass};

use crate::local_time::in_vietnam;

/// What is wrong with a catalogue.
#[derive(Debug, thiserror::Error)]
pub enum LawError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not CSV, or a line has more or fewer columns than the header.
    #[error("{path}:{line}: {reason}")]
    Form {
        /// The file.
        path: PathBuf,
        /// Line from 1; 0 when unknown.
        line: u64,
        /// What.
        reason: String,
    },
    /// A column is missing in the header.
    #[error("{path}:1: expected a column {column:?}, found none")]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A value cannot be read.
    #[error("{path}:{line}: {column}: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Line from 1.
        line: u64,
        /// The column.
        column: &'static str,
        /// What was expected and found.
        reason: String,
    },
}

/// How far over the limit a row holds, km/h.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Band {
    from: f64,
    from_in: bool,
    to: f64,
    to_in: bool,
}

impl Band {
    fn parse(text: &str) -> Option<Self> {
        let from_in = text.starts_with('[');
        let to_in = text.ends_with(']');
        if !(from_in || text.starts_with('(')) || !(to_in || text.ends_with(')')) {
            return None;
        }
        let (from, to) = text.get(1..text.len() - 1)?.split_once(';')?;
        let number = |s: &str| s.trim().parse::<f64>().ok().filter(|n| !n.is_nan());
        let (from, to) = (number(from)?, number(to)?);
        (from < to).then_some(Self { from, from_in, to, to_in })
    }

    fn holds(&self, excess: f64) -> bool {
        let above = if self.from_in { excess >= self.from } else { excess > self.from };
        let below = if self.to_in { excess <= self.to } else { excess < self.to };
        above && below
    }

    fn meets(&self, other: &Self) -> bool {
        let apart = |a: &Self, b: &Self| a.to < b.from || (a.to == b.from && !(a.to_in && b.from_in));
        !(apart(self, other) || apart(other, self))
    }
}

#[derive(Debug, Clone)]
struct Row {
    line: u64,
    vehicle: String,
    rule: RuleKind,
    /// Holds for this act of the rule only.
    variant: Option<String>,
    band: Option<Band>,
    from: Option<Date>,
    to: Option<Date>,
    legal: LegalRef,
}

impl Row {
    fn meets(&self, other: &Self) -> bool {
        let days = self.from.zip(other.to).is_none_or(|(from, to)| from <= to)
            && other.from.zip(self.to).is_none_or(|(from, to)| from <= to);
        let bands = match (&self.band, &other.band) {
            (Some(a), Some(b)) => a.meets(b),
            _ => true,
        };
        let variants = self.variant.as_ref().zip(other.variant.as_ref()).is_none_or(|(a, b)| a == b);
        self.vehicle == other.vehicle && self.rule == other.rule && variants && days && bands
    }
}

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Act {
    /// The rule that matched.
    pub rule: RuleKind,
    /// Which act of it, where the law tells several apart.
    pub variant: Option<&'static str>,
    /// What the vehicle is.
    pub class: VehicleClass,
    /// For speed.
    pub excess_kmh: Option<f64>,
}

/// The rows that belong to rules of the engine.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    rows: Vec<Row>,
}

impl Catalogue {
    /// Reads a catalogue. Two rows that would both hold for one act are an error.
    pub fn load(path: &Path) -> Result<Self, LawError> {
        let text = std::fs::read_to_string(path).map_err(|source| LawError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Reads a catalogue's text; `path` names it in errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, LawError> {
        let form = |error: csv::Error| LawError::Form {
            path: path.to_owned(),
            line: error.position().map_or(0, csv::Position::line),
            reason: error.to_string(),
        };
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header = reader.headers().map_err(form)?.clone();
        let column = |name: &'static str| {
            let found = header.iter().position(|h| h.trim() == name);
            found.map(|i| (name, i)).ok_or(LawError::Column { path: path.to_owned(), column: name })
        };
        let columns = Columns {
            code: column("code")?,
            name_vi: column("name_vi")?,
            name_en: column("name_en")?,
            vehicle: column("vehicle")?,
            article: column("article")?,
            fine_min: column("fine_min")?,
            fine_max: column("fine_max")?,
            points: column("points")?,
            rule: column("rule")?,
            excess_kmh: column("excess_kmh")?,
            valid_from: column("valid_from")?,
            valid_to: column("valid_to")?,
        };
        let mut rows: Vec<Row> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(form)?;
            for row in columns.rows(path, &record)? {
                if let Some(other) = rows.iter().find(|other| other.meets(&row)) {
                    return Err(LawError::Value {
                        path: path.to_owned(),
                        line: row.line,
                        column: "rule",
                        reason: format!(
                            "{} and {} (line {}) would both hold for one act",
                            row.legal.code, other.legal.code, other.line
                        ),
                    });
                }
                rows.push(row);
            }
        }
        Ok(Self { rows })
    }

    /// The row that holds for an act at `utc`. `None`: none does. An average speed is priced as a speed.
    #[must_use]
    pub fn find(&self, act: Act, utc: UtcUs) -> Option<&LegalRef> {
        let vehicle = group_of(act.class);
        let day = in_vietnam(utc).date();
        let rule = if act.rule == RuleKind::SectionSpeed { RuleKind::Speed } else { act.rule };
        let holds = |row: &&Row| {
            row.rule == rule
                && row.vehicle == vehicle
                && row.variant.as_deref().is_none_or(|variant| act.variant == Some(variant))
                && row.from.is_none_or(|from| from <= day)
                && row.to.is_none_or(|to| day <= to)
                && row.band.is_none_or(|band| act.excess_kmh.is_some_and(|excess| band.holds(excess)))
        };
        self.rows.iter().find(holds).map(|row| &row.legal)
    }

    /// How many rows belong to a rule.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when no row belongs to a rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The law's group of a class: "xe ô tô" (Decree 168/2024, Art. 6) are all motor vehicles of four wheels or more.
fn group_of(class: VehicleClass) -> &'static str {
    match class {
        VehicleClass::Car | VehicleClass::Bus | VehicleClass::Truck => "car",
        VehicleClass::Motorcycle => "motorcycle",
        VehicleClass::Bicycle => "bicycle",
        VehicleClass::Pedestrian => "person",
    }
}

type Column = (&'static str, usize);

struct Columns {
    code: Column,
    name_vi: Column,
    name_en: Column,
    vehicle: Column,
    article: Column,
    fine_min: Column,
    fine_max: Column,
    points: Column,
    rule: Column,
    excess_kmh: Column,
    valid_from: Column,
    valid_to: Column,
}

impl Columns {
    /// A row for each rule it belongs to. Values are checked all the same.
    fn rows(&self, path: &Path, record: &csv::StringRecord) -> Result<Vec<Row>, LawError> {
        let line = record.position().map_or(0, csv::Position::line);
        let text = |column: Column| record.get(column.1).unwrap_or_default().trim();
        let fail = |column: Column, expected: &str| LawError::Value {
            path: path.to_owned(),
            line,
            column: column.0,
            reason: format!("expected {expected}, found {:?}", text(column)),
        };
        let filled = |column: Column| match text(column) {
            "" => Err(fail(column, "a text")),
            text => Ok(text.to_owned()),
        };
        let whole = |column: Column| match text(column) {
            "" => Ok(0),
            digits => digits.parse::<u64>().map_err(|_| fail(column, "a whole number")),
        };
        let day = |column: Column| match text(column) {
            "" => Ok(None),
            text => text.parse::<Date>().map(Some).map_err(|_| fail(column, "a day like 2025-01-01")),
        };
        let legal = LegalRef {
            code: filled(self.code)?,
            article: filled(self.article)?,
            name_vi: filled(self.name_vi)?,
            name_en: filled(self.name_en)?,
            fine_min_vnd: whole(self.fine_min)?,
            fine_max_vnd: whole(self.fine_max)?,
            points: u32::try_from(whole(self.points)?).map_err(|_| fail(self.points, "a few points"))?,
        };
        if legal.fine_min_vnd > legal.fine_max_vnd {
            return Err(fail(self.fine_max, "no less than fine_min"));
        }
        let vehicle = filled(self.vehicle)?;
        if !["car", "motorcycle", "bicycle", "special_machine", "person"].contains(&vehicle.as_str()) {
            return Err(fail(self.vehicle, "car, motorcycle, bicycle, special_machine or person"));
        }
        let (from, to) = (day(self.valid_from)?, day(self.valid_to)?);
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            return Err(fail(self.valid_to, "no day before valid_from"));
        }
        let rule_of = |word: &str| {
            let (rule, variant) = word.split_once('/').map_or((word, None), |(rule, variant)| (rule, Some(variant)));
            RuleKind::parse(rule).map(|rule| (rule, variant.map(str::to_owned))).ok_or_else(|| {
                let known: Vec<_> = RuleKind::ALL.iter().map(|rule| rule.as_str()).collect();
                fail(self.rule, &format!("one of {}", known.join(", ")))
            })
        };
        let rules = text(self.rule).split_whitespace().map(rule_of).collect::<Result<Vec<_>, _>>()?;
        let band = match text(self.excess_kmh) {
            "" => None,
            text => Some(Band::parse(text).ok_or_else(|| fail(self.excess_kmh, "a range like [10;20] or (35;inf)"))?),
        };
        if band.is_some() != rules.iter().any(|(rule, _)| *rule == RuleKind::Speed) {
            return Err(fail(self.excess_kmh, "a range for rule speed, nothing for others"));
        }
        let row = |(rule, variant)| {
            let (vehicle, legal) = (vehicle.clone(), legal.clone());
            Row { line, vehicle, rule, variant, band, from, to, legal }
        };
        Ok(rules.into_iter().map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Catalogue {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/law/violations.csv");
        Catalogue::load(&path).expect("the shipped catalogue")
    }

    fn at(text: &str) -> UtcUs {
        UtcUs::parse(text).expect("an instant")
    }

    #[test]
    fn the_shipped_catalogue_answers_by_class_band_and_day() {
        let law = shipped();
        let now = at("2026-11-21T07:30:00Z");
        let act = |rule, class, excess_kmh| Act { rule, variant: None, class, excess_kmh };
        let code = |rule, class, excess, utc| law.find(act(rule, class, excess), utc).map(|l| l.code.as_str());
        use RuleKind::{NoStopping, RedLight, Speed, StopLine, WrongLane, WrongWay};
        use VehicleClass::{Bicycle, Bus, Car, Motorcycle, Pedestrian};
        assert_eq!(code(RedLight, Motorcycle, None, now), Some("MOTO_RED_LIGHT"));
        assert_eq!(code(RedLight, Bus, None, now), Some("CAR_RED_LIGHT"));
        assert_eq!(code(RedLight, Bicycle, None, now), Some("BIKE_RED_LIGHT"));
        assert_eq!(code(RedLight, Pedestrian, None, now), None);
        assert_eq!(code(StopLine, Car, None, now), Some("CAR_MARKING"));
        assert_eq!(code(WrongWay, Motorcycle, None, now), Some("MOTO_WRONG_WAY"));
        assert_eq!(code(WrongLane, Car, None, now), Some("CAR_WRONG_LANE"));
        assert_eq!(code(NoStopping, Motorcycle, None, now), Some("MOTO_PARK_SIGN"));
        // Decree 168/2024: under 5 none; [5,10), [10,20], (20,35], above 35.
        for (excess, expected) in [
            (4.99, None),
            (5.0, Some("CAR_SPEED_05_10")),
            (9.99, Some("CAR_SPEED_05_10")),
            (10.0, Some("CAR_SPEED_10_20")),
            (20.0, Some("CAR_SPEED_10_20")),
            (20.01, Some("CAR_SPEED_20_35")),
            (35.0, Some("CAR_SPEED_20_35")),
            (35.01, Some("CAR_SPEED_35_UP")),
        ] {
            assert_eq!(code(Speed, Car, Some(excess), now), expected, "{excess}");
        }
        assert_eq!(code(Speed, Motorcycle, Some(28.0), now), Some("MOTO_SPEED_20_UP"));
        // In force from 2025-01-01 in Vietnam, seven hours before UTC's.
        assert_eq!(code(RedLight, Car, None, at("2024-12-31T16:59:59Z")), None);
        assert_eq!(code(RedLight, Car, None, at("2024-12-31T17:00:00Z")), Some("CAR_RED_LIGHT"));
        let legal = law.find(act(RedLight, Car, None), now).expect("a row");
        assert_eq!((legal.fine_min_vnd, legal.fine_max_vnd, legal.points), (18_000_000, 20_000_000, 4));
    }

    #[test]
    fn every_rule_has_its_rows() {
        let law = shipped();
        let now = at("2026-11-21T07:30:00Z");
        let code = |rule: RuleKind, variant, class| {
            let excess_kmh = (rule == RuleKind::SectionSpeed).then_some(12.0);
            law.find(Act { rule, variant, class, excess_kmh }, now).map(|l| l.code.as_str())
        };
        use VehicleClass::{Car, Motorcycle};
        for (rule, variant, car, motorcycle) in [
            (RuleKind::SolidLine, None, Some("CAR_MARKING"), Some("MOTO_MARKING")),
            (RuleKind::ForbiddenTurn, Some("left"), Some("CAR_LEFT_FORBIDDEN"), Some("MOTO_TURN")),
            (RuleKind::ForbiddenTurn, Some("right"), Some("CAR_RIGHT_FORBIDDEN"), Some("MOTO_TURN")),
            (RuleKind::UTurn, Some("u_turn"), Some("CAR_UTURN_SIGN"), Some("MOTO_UTURN")),
            (RuleKind::NoEntry, None, Some("CAR_NO_ENTRY"), Some("MOTO_NO_ENTRY")),
            (RuleKind::NoParking, None, Some("CAR_PARK_SIGN"), Some("MOTO_PARK_SIGN")),
            (RuleKind::EmergencyLane, None, Some("CAR_EXPY_SHOULDER"), Some("MOTO_EXPY")),
            (RuleKind::Pavement, None, Some("CAR_SIDEWALK"), Some("MOTO_SIDEWALK")),
            (RuleKind::SectionSpeed, None, Some("CAR_SPEED_10_20"), Some("MOTO_SPEED_10_20")),
            (RuleKind::OverRiders, Some("3"), None, Some("MOTO_CARRY_2")),
            (RuleKind::OverRiders, Some("4"), None, Some("MOTO_CARRY_3")),
            (RuleKind::NoHelmet, Some("rider"), None, Some("MOTO_HELMET_RIDER")),
            (RuleKind::NoHelmet, Some("passenger"), None, Some("MOTO_HELMET_PASSENGER")),
        ] {
            assert_eq!(
                (code(rule, variant, Car), code(rule, variant, Motorcycle)),
                (car, motorcycle),
                "{rule} {variant:?}"
            );
        }
        assert_eq!(code(RuleKind::ForbiddenTurn, None, Car), None, "which turn is not known");
    }

    #[test]
    fn errors_name_line_and_column() {
        let head = "code,name_vi,name_en,vehicle,article,fine_min,fine_max,points,rule,excess_kmh,valid_from,valid_to";
        let fail = |row: &str| {
            let text = format!("{head}\n{row}\n");
            Catalogue::parse(Path::new("law.csv"), &text).expect_err("an error").to_string()
        };
        assert_eq!(
            fail("A,a,a,car,Art.6,ten,20,0,red_light,,,"),
            "law.csv:2: fine_min: expected a whole number, found \"ten\""
        );
        assert_eq!(
            fail("A,a,a,car,Art.6,1,2,0,speed,10-20,,"),
            "law.csv:2: excess_kmh: expected a range like [10;20] or (35;inf), found \"10-20\""
        );
        assert!(fail("A,a,a,car,Art.6,1,2,0,red,,,").starts_with("law.csv:2: rule: expected one of red_light"));
        assert!(fail("A,a,a").starts_with("law.csv:2: "));
        let two = "A,a,a,car,Art.6,1,2,0,red_light,,2025-01-01,\nB,b,b,car,Art.6,1,2,0,red_light,,2026-01-01,";
        assert_eq!(fail(two), "law.csv:3: rule: B and A (line 2) would both hold for one act");
        let headless = Catalogue::parse(Path::new("law.csv"), "code,name_vi\n").expect_err("an error");
        assert_eq!(headless.to_string(), "law.csv:1: expected a column \"name_en\", found none");
    }
}
