//! Tables taken away whole, as Parquet that ClickHouse itself writes.

use super::Filter;
use crate::{Store, StoreError, store::within};
use stopline_types::{ExportQuery, ExportTable};

/// Rows of a file at most.
const MOST: u32 = 1_000_000;

impl Store {
    /// The rows of a span as a Parquet file, newest first, at most a million. Without `plates` the column is empty.
    pub async fn parquet(&self, query: &ExportQuery) -> Result<Vec<u8>, StoreError> {
        let mut of = Filter::default();
        of.cameras(query.cameras.as_deref());
        of.period(Some(query.from), Some(query.to));
        let plate = if query.plates { "plate" } else { "''" };
        let sql = match query.table {
            ExportTable::Cases => {
                of.fixed("mode = 'live'");
                format!(
                    "SELECT lower(hex(v.id)) AS id, v.utc AS utc, v.error_ms AS error_ms, v.camera::String AS camera, \
                            v.rule::String AS rule, v.class::String AS class, v.plate AS plate, v.confidence AS confidence, \
                            v.law::String AS law, multiIf(r.verdict = 'confirmed', 'confirmed', \
                            r.verdict = 'rejected', 'rejected', 'waiting') AS status, r.reason AS reason, \
                            r.reviewer AS reviewer \
                     FROM (SELECT id, utc, error_ms, camera, rule, class, {plate} AS plate, confidence, law \
                           FROM violations FINAL {where_}) AS v \
                     LEFT JOIN (SELECT violation, argMax(verdict, (revision, version))::String AS verdict, \
                                       argMax(reason, (revision, version))::String AS reason, \
                                       argMax(reviewer, (revision, version))::String AS reviewer FROM reviews \
                                WHERE violation IN (SELECT id FROM violations {where_}) GROUP BY violation) AS r \
                     ON v.id = r.violation ORDER BY utc DESC, id DESC LIMIT {MOST}",
                    where_ = of.sql(),
                )
            }
            ExportTable::Passages => format!(
                "SELECT lower(hex(id)) AS id, utc, error_ms, camera::String AS camera, class::String AS class, \
                        {plate} AS plate, speed_kmh, lane::String AS lane, confidence \
                 FROM passages FINAL {where_} ORDER BY utc DESC, id DESC LIMIT {MOST}",
                where_ = of.sql(),
            ),
        };
        let query = of.bind(self.client().query(&sql));
        within("writing Parquet", async { query.fetch_bytes("Parquet")?.collect().await }).await.map(Into::into)
    }
}
