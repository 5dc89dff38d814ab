//! A WHERE clause and its bound values.

use clickhouse::query::Query;
use stopline_types::{CameraId, EventId, UtcUs};

/// Conditions joined by AND. Text comes from this crate only; values travel as parameters.
#[derive(Default)]
pub(super) struct Filter {
    conditions: Vec<&'static str>,
    params: Vec<(&'static str, Value)>,
}

const HOUR: &str = "toStartOfHour(utc) ";

enum Value {
    Text(String),
    Texts(Vec<String>),
    Number(i64),
}

impl Filter {
    /// A condition without values.
    pub(super) fn fixed(&mut self, condition: &'static str) {
        self.conditions.push(condition);
    }

    /// A condition with one text bound to the parameter `name`.
    pub(super) fn text(&mut self, condition: &'static str, name: &'static str, value: impl Into<String>) {
        self.conditions.push(condition);
        self.params.push((name, Value::Text(value.into())));
    }

    /// A condition with a list of texts bound to the parameter `name`.
    pub(super) fn texts(&mut self, condition: &'static str, name: &'static str, values: Vec<String>) {
        self.conditions.push(condition);
        self.params.push((name, Value::Texts(values)));
    }

    pub(super) fn camera(&mut self, camera: Option<&CameraId>) {
        if let Some(camera) = camera {
            self.text("camera = {camera:String}", "camera", camera.as_str());
        }
    }

    pub(super) fn cameras(&mut self, cameras: Option<&[CameraId]>) {
        if let Some(cameras) = cameras {
            // A camera's name holds no comma.
            let names: Vec<&str> = cameras.iter().map(CameraId::as_str).collect();
            self.text("has(splitByChar(',', {cameras:String}), camera)", "cameras", names.join(","));
        }
    }

    /// `from <= utc < to`. The hours are implied; by them ClickHouse skips where the table's order begins with the hour.
    pub(super) fn period(&mut self, from: Option<UtcUs>, to: Option<UtcUs>) {
        if let Some(from) = from {
            self.conditions.push("utc >= fromUnixTimestamp64Micro({from:Int64}, 'UTC')");
            self.conditions.push("toStartOfHour(utc) >= toStartOfHour(fromUnixTimestamp64Micro({from:Int64}, 'UTC'))");
            self.params.push(("from", Value::Number(from.0)));
        }
        if let Some(to) = to {
            self.conditions.push("utc < fromUnixTimestamp64Micro({to:Int64}, 'UTC')");
            self.conditions.push("toStartOfHour(utc) <= toStartOfHour(fromUnixTimestamp64Micro({to:Int64}, 'UTC'))");
            self.params.push(("to", Value::Number(to.0)));
        }
    }

    /// Rows behind the last one seen, in the order oldest first.
    pub(super) fn behind(&mut self, after: Option<(UtcUs, EventId)>) {
        if let Some((utc, id)) = after {
            self.conditions.push("utc >= fromUnixTimestamp64Micro({after_utc:Int64}, 'UTC')");
            self.conditions.push(
                "(utc, id) > (fromUnixTimestamp64Micro({after_utc:Int64}, 'UTC'), \
                 toFixedString(unhex({after_id:String}), 16))",
            );
            self.params.push(("after_utc", Value::Number(utc.0)));
            self.params.push(("after_id", Value::Text(id.to_string())));
        }
    }

    /// Rows behind the last one seen, in the order newest first.
    pub(super) fn after(&mut self, after: Option<(UtcUs, EventId)>) {
        if let Some((utc, id)) = after {
            // The first condition is implied by the second; it lets ClickHouse skip by the key.
            self.conditions.push("utc <= fromUnixTimestamp64Micro({after_utc:Int64}, 'UTC')");
            self.conditions
                .push("toStartOfHour(utc) <= toStartOfHour(fromUnixTimestamp64Micro({after_utc:Int64}, 'UTC'))");
            self.conditions.push(
                "(utc, id) < (fromUnixTimestamp64Micro({after_utc:Int64}, 'UTC'), \
                 toFixedString(unhex({after_id:String}), 16))",
            );
            self.params.push(("after_utc", Value::Number(utc.0)));
            self.params.push(("after_id", Value::Text(id.to_string())));
        }
    }

    /// `WHERE …`, or `WHERE 1`.
    pub(super) fn sql(&self) -> String {
        match self.conditions.as_slice() {
            [] => "WHERE 1".to_owned(),
            conditions => format!("WHERE {}", conditions.join(" AND ")),
        }
    }

    /// As [`Filter::sql`] for a table whose time is in the column `time`.
    pub(super) fn sql_of(&self, time: &str) -> String {
        let own = self.conditions.iter().filter(|condition| !condition.starts_with(HOUR));
        let conditions = own.map(|condition| match condition.strip_prefix("utc ") {
            Some(rest) => format!(" AND {time} {rest}"),
            None => format!(" AND {condition}"),
        });
        format!("WHERE 1{}", conditions.collect::<String>())
    }

    /// The start of the hour of each end of the period, as selects joined by UNION ALL; empty: it has no end.
    pub(super) fn ends(&self) -> String {
        let ends = self.params.iter().filter_map(|(name, _)| match *name {
            "from" => Some("SELECT toStartOfHour(fromUnixTimestamp64Micro({from:Int64}, 'UTC'))"),
            "to" => Some("SELECT toStartOfHour(fromUnixTimestamp64Micro({to:Int64}, 'UTC'))"),
            _ => None,
        });
        ends.collect::<Vec<_>>().join(" UNION ALL ")
    }

    /// Binds the values.
    pub(super) fn bind(&self, query: Query) -> Query {
        self.params.iter().fold(query, |query, (name, value)| match value {
            Value::Text(text) => query.param(name, text),
            Value::Texts(texts) => query.param(name, texts),
            Value::Number(number) => query.param(name, number),
        })
    }
}
