//! Hours of the day in which a rule holds, in Vietnam's local time.

use serde::{Deserialize, Serialize};
use stopline_types::UtcUs;

use crate::local_time::in_vietnam;

/// Spans of the day, each as `"06:00-09:00"`: the first minute is in, the last is not. `"22:00-05:00"` goes over
/// midnight; `"00:00-24:00"` is the whole day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Hours {
    /// Minutes since midnight, from and to.
    spans: Vec<(u16, u16)>,
}

impl Hours {
    /// Whether they hold at an instant.
    #[must_use]
    pub fn hold(&self, utc: UtcUs) -> bool {
        let local = in_vietnam(utc);
        let minute = local.hour() as u16 * 60 + local.minute() as u16;
        self.spans.iter().any(
            |(from, to)| {
                if from < to { (*from..*to).contains(&minute) } else { minute >= *from || minute < *to }
            },
        )
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |digits: &str| (digits.len() == 2).then(|| digits.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))).then_some(hour * 60 + minute)
}

impl TryFrom<Vec<String>> for Hours {
    type Error = String;
    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        let span = |text: &String| {
            let ends = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
            ends.filter(|(from, to)| from != to && *from < 1440)
                .ok_or_else(|| format!("expected hours like \"06:00-09:00\", found {text:?}"))
        };
        if texts.is_empty() {
            return Err("expected one or more hours like \"06:00-09:00\": leave the key out for the whole day".into());
        }
        Ok(Self { spans: texts.iter().map(span).collect::<Result<_, String>>()? })
    }
}

impl From<Hours> for Vec<String> {
    fn from(hours: Hours) -> Self {
        let text = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
        hours.spans.iter().map(|(from, to)| format!("{}-{}", text(*from), text(*to))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str) -> Result<Hours, String> {
        Hours::try_from(vec![text.to_owned()])
    }

    #[test]
    fn local_time_and_midnight() {
        let at = |text: &str| UtcUs::parse(text).expect("an instant");
        let rush = hours("06:00-09:00").expect("hours");
        // 06:00 in Vietnam is 23:00 UTC of the day before.
        assert!(!rush.hold(at("2026-11-20T22:59:59Z")) && rush.hold(at("2026-11-20T23:00:00Z")));
        assert!(rush.hold(at("2026-11-21T01:59:59Z")) && !rush.hold(at("2026-11-21T02:00:00Z")));
        let night = hours("22:00-05:00").expect("hours");
        assert!(night.hold(at("2026-11-21T15:00:00Z")) && night.hold(at("2026-11-21T21:59:00Z")));
        assert!(!night.hold(at("2026-11-21T14:59:59Z")) && !night.hold(at("2026-11-21T22:00:00Z")));
        assert!(hours("00:00-24:00").expect("hours").hold(at("2026-11-21T16:59:59Z")));
        for wrong in ["6-9", "06:00", "25:00-26:00", "06:60-07:00", "09:00-09:00"] {
            assert!(hours(wrong).expect_err("an error").contains(wrong), "{wrong}");
        }
        assert_eq!(Vec::<String>::from(night), ["22:00-05:00"]);
    }
}
