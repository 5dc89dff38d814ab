//! Vietnam's civil time: laws, certificates and hours of the day go by it.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use stopline_types::UtcUs;

/// Date and time in Asia/Ho_Chi_Minh: UTC+7 without daylight saving.
pub(crate) fn in_vietnam(utc: UtcUs) -> DateTime {
    utc.timestamp().to_zoned(TimeZone::fixed(Offset::constant(7))).datetime()
}
