//! A year of passages of 128 cameras: what a row takes on disk, by column and codec, and how fast questions about it are
//! answered. Rows come from a seeded generator that runs in the engine. Prints tables; `benches/RESULTS.md` holds the last.
//!
//! `cargo bench -p stopline-store --bench history [-- ROWS]`, by default a million. Bytes are measured on 300 000 rows whose
//! events are as long and as varied as real ones; for more rows, which serve the times only, events differ only in what is asked for.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use clickhouse::Client;
use common::{embedded, store};
use stopline_store::{Store, embedded::Embedded};
use stopline_types::{PassageFilter, PlateMatch, TallyQuery, TallyTime, UtcUs};

const CHUNK: u64 = 1_000_000;
const MEASURED: u64 = 300_000;
const ROUNDS: usize = 9;
/// 2025-11-01 00:00 UTC.
const BEGIN_US: i64 = 1_761_955_200_000_000;
const YEAR_US: u64 = 365 * 86_400_000_000;

/// Rows `from` to `to` of `all`, spread over a year. Few plates come often, many seldom; of each sixth nothing was read.
fn rows(from: u64, to: u64, all: u64, whole: bool) -> String {
    let points = "arrayStringConcat(arrayMap(i -> concat('[', toString(toFloat32(i * 0.31 + (cityHash64(number, i) % 100) / 1000)), ',', \
        toString(toFloat32(200 + rand_a * 1500 + i * (rand_b - 0.5) * 60 + (cityHash64(number, i, 1) % 4000) / 1000)), ',', \
        toString(toFloat32(1040 - i * (40 + 60 * rand_c) + (cityHash64(number, i, 2) % 4000) / 1000)), ']'), range(10)), ',')";
    let characters =
        "arrayStringConcat(arrayMap(i -> toString((900 + cityHash64(number, i, 3) % 100) / 1000), range(9)), ',')";
    let plate = "concat('{\"text\":\"', plate, '\",\"confidence\":', toString(plate_confidence), ',\"sure\":true";
    let plate = if whole {
        format!(
            "{plate},\"display\":\"', substring(plate, 1, 4), '-', substring(plate, 5), '\",\"lines\":2,\"raw\":\"', plate, '\",\"characters\":[', {characters}, ']}}')"
        )
    } else {
        format!("{plate}}}')")
    };
    let (at, points) = if whole {
        ("formatDateTime(utc, '%Y-%m-%dT%H:%i:%S.%fZ')", points)
    } else {
        ("formatDateTime(utc, '%Y-%m-%dT%H:%i:%S.%fZ')", "'[0.0,400.0,900.0],[1.0,420.0,700.0],[2.0,440.0,500.0]'")
    };
    let edges = if whole { ("rand_a * 1500", "rand_b * 800", "60 + rand_c * 100") } else { ("812", "420", "120") };
    format!(
        "INSERT INTO passages (id, camera, utc, error_ms, track, class, plate, plate_confidence, plate_sure, speed_kmh, lane, \
             confidence, frames, model, scene, body, version) \
         WITH sipHash64(number, 1) / 18446744073709551616 AS rand_a, sipHash64(number, 2) / 18446744073709551616 AS rand_b, \
              sipHash64(number, 3) / 18446744073709551616 AS rand_c, toUInt64(1500000 * pow(rand_a, 3)) AS owner, \
              {BEGIN_US} + toInt64(number * {step}) + toInt64(rand_b * 900000) AS us \
         SELECT MD5(toString(number)) AS id, concat('cam-', leftPad(toString(sipHash64(number, 4) % 128), 3, '0')) AS camera, \
             fromUnixTimestamp64Micro(us, 'UTC') AS utc, 20 + (number % 7) / 2 AS error_ms, intDiv(number, 128) % 100000 AS track, \
             ['motorcycle', 'motorcycle', 'motorcycle', 'car', 'car', 'truck', 'bus', 'bicycle'][1 + owner % 8] AS class, \
             if(number % 6 = 0, '', concat(['59', '51', '50', '29', '30', '61', '43'][1 + owner % 7], \
                 substring('ABCDEFGHKLMNPSTUVXYZ', 1 + intHash32(owner) % 20, 1), leftPad(toString(intHash32(owner + 7) % 1000000), 6, '0'))) AS plate, \
             if(plate = '', 0, round(0.7 + rand_c * 0.3, 3)) AS plate_confidence, plate != '' AS plate_sure, round(15 + rand_b * 50, 3) AS speed_kmh, \
             toString(1 + number % 3) AS lane, round(0.5 + rand_c / 2, 3) AS confidence, 10 + number % 40 AS frames, \
             'nanodet-g@0123456789ab' AS model, '0123456789ab' AS scene, \
             concat('{{\"event\":\"passage\",\"id\":\"', lower(hex(id)), '\",\"camera\":\"', camera, '\",\"t_s\":', toString(number % 86400), '.5,\"utc\":\"', \
                 {at}, '\",\"error_ms\":', toString(error_ms), ',\"track\":', toString(track), ',\"class\":\"', class, '\",\"box\":[', toString({x}), ',', toString({y}), ',', \
                 toString({w}), ',210.0],\"frame_px\":[1920,1080],\"confidence\":', toString(confidence), ',\"plate\":', if(plate = '', 'null', {plate}), \
                 ',\"speed_kmh\":', toString(speed_kmh), ',\"lane\":\"', lane, '\",\"frames\":', toString(frames), ',\"entered\":\"', {at}, '\",\"left\":\"', {at}, \
                 '\",\"trajectory\":[', {points}, '],\"versions\":{{\"model\":\"', model, '\",\"scene\":\"', scene, '\",\"engine\":\"0.1.0\"}}}}') AS body, \
             us + 300000 AS version \
         FROM numbers({from}, {count})",
        step = YEAR_US / all,
        count = to - from,
        x = edges.0,
        y = edges.1,
        w = edges.2,
    )
}

struct Bench {
    store: Store,
    client: Client,
    chdb: Embedded,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let chdb = embedded(&dir.path().join("chdb"));
        let store = store(chdb.endpoint()).await;
        let at = chdb.endpoint();
        let client = Client::default()
            .with_url(&at.url)
            .with_user(&at.user)
            .with_password(&at.password)
            .with_database(&at.database)
            .with_compression(clickhouse::Compression::None);
        Self { store, client, chdb, _dir: dir }
    }

    async fn run(&self, sql: &str) {
        self.client.query(&sql.replace('?', "??")).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn fill(&self, all: u64, whole: bool) -> Duration {
        let began = Instant::now();
        for from in (0..all).step_by(CHUNK as usize) {
            self.run(&rows(from, (from + CHUNK).min(all), all, whole)).await;
        }
        began.elapsed()
    }
}

#[tokio::main]
async fn main() {
    // Cargo hands `--bench` over as well.
    let all: u64 = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(MEASURED);
    bytes().await;
    times(all).await;
}

#[derive(clickhouse::Row, serde::Deserialize)]
struct Column {
    name: String,
    bytes: u64,
}

async fn columns(bench: &Bench, table: &str) -> Vec<Column> {
    let sql = "SELECT column AS name, sum(column_bytes_on_disk) AS bytes FROM system.parts_columns \
               WHERE active AND table = {table:String} GROUP BY column ORDER BY bytes DESC";
    bench.client.query(sql).param("table", table).fetch_all().await.unwrap()
}

async fn bytes() {
    let bench = Bench::new().await;
    let took = bench.fill(MEASURED, true).await;
    bench.run("OPTIMIZE TABLE passages FINAL").await;
    let per_row = |bytes: u64| bytes as f64 / MEASURED as f64;
    let all: u64 = bench
        .client
        .query("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'passages'")
        .fetch_one()
        .await
        .unwrap();
    println!(
        "{MEASURED} passages, made in {:.0} s: {:.1} bytes a passage on disk, all in all",
        took.as_secs_f64(),
        per_row(all)
    );
    for column in columns(&bench, "passages").await {
        println!("  {:18} {:6.2}", column.name, per_row(column.bytes));
    }
    println!("columns with other codecs, in the same order:");
    let narrow = ["LZ4", "ZSTD(1)", "ZSTD(6)", "Delta, ZSTD(1)", "DoubleDelta, ZSTD(1)", "T64, ZSTD(1)"];
    let texts = ["LZ4", "ZSTD(1)", "ZSTD(3)", "ZSTD(6)", "ZSTD(12)"];
    let flat = "arrayMap(p -> toUInt16(p[1] * 1000), JSONExtract(body, 'trajectory', 'Array(Array(Float32))'))";
    let along = |n: u8| {
        format!(
            "arrayMap(v -> toInt16(v), arrayDifference(arrayMap(p -> toInt32(round(p[{n}] * 8)), JSONExtract(body, 'trajectory', 'Array(Array(Float32))'))))"
        )
    };
    for (name, kind, from, codecs) in [
        ("id", "FixedString(16)", "id", &["NONE", "LZ4", "ZSTD(1)"][..]),
        ("utc", "DateTime64(6, 'UTC')", "utc", &narrow[..5]),
        ("version", "UInt64", "version", &narrow[..5]),
        ("track", "UInt64", "track", &narrow),
        ("error_ms", "Nullable(Float64)", "error_ms", &["LZ4", "ZSTD(1)", "Gorilla, ZSTD(1)"]),
        ("plate", "String", "plate", &texts),
        ("plate_confidence", "Float64", "plate_confidence", &["LZ4", "ZSTD(1)", "Gorilla, ZSTD(1)"]),
        ("confidence", "Float64", "confidence", &["LZ4", "ZSTD(1)", "Gorilla, ZSTD(1)"]),
        ("speed_kmh", "Nullable(Float64)", "speed_kmh", &["LZ4", "ZSTD(1)", "Gorilla, ZSTD(1)"]),
        ("body", "String", "body", &texts),
        ("trajectory as text", "String", "JSONExtractRaw(body, 'trajectory')", &texts[3..4]),
        ("trajectory ms", "Array(UInt16)", flat, &["ZSTD(1)", "ZSTD(6)", "Delta, ZSTD(6)"]),
        ("trajectory x, 1/8 px steps", "Array(Int16)", &along(2), &["ZSTD(1)", "ZSTD(6)", "T64, ZSTD(6)"]),
        ("trajectory y, 1/8 px steps", "Array(Int16)", &along(3), &["ZSTD(1)", "ZSTD(6)", "T64, ZSTD(6)"]),
        ("body without trajectory", "String", "replaceOne(body, JSONExtractRaw(body, 'trajectory'), '')", &texts[2..4]),
    ] {
        let variants: Vec<String> =
            codecs.iter().enumerate().map(|(n, codec)| format!("c{n} {kind} CODEC({codec})")).collect();
        let values = vec![format!("{from} AS v"); 1]
            .into_iter()
            .chain(vec!["v".to_owned(); codecs.len() - 1])
            .collect::<Vec<_>>();
        bench.run(&format!("CREATE OR REPLACE TABLE trial ({}) ENGINE = MergeTree ORDER BY tuple() SETTINGS min_bytes_for_wide_part = 0", variants.join(","))).await;
        bench.run(&format!("INSERT INTO trial SELECT {} FROM (SELECT * FROM passages ORDER BY toStartOfHour(utc), camera, utc, id)", values.join(","))).await;
        bench.run("OPTIMIZE TABLE trial FINAL").await;
        let mut found = columns(&bench, "trial").await;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let cells: Vec<String> = codecs
            .iter()
            .zip(&found)
            .map(|(codec, column)| format!("{codec} {:.2}", column.bytes as f64 / MEASURED as f64))
            .collect();
        println!("  {name:28} {}", cells.join(" | "));
    }
    bench.chdb.stop();
}

async fn times(all: u64) {
    let bench = Bench::new().await;
    let took = bench.fill(all, false).await;
    println!("{all} passages for the times, made in {:.0} s", took.as_secs_f64());
    // A year's parts are long merged; the hours long at rest.
    let began = Instant::now();
    bench.run("OPTIMIZE TABLE passages").await;
    bench.run("OPTIMIZE TABLE plates FINAL").await;
    bench.run("CREATE TABLE aged ENGINE = Memory AS SELECT hour, toDateTime64(1, 3, 'UTC'), toDateTime64(0, 3, 'UTC'), 0 FROM hour_marks GROUP BY hour").await;
    bench.run("TRUNCATE TABLE hour_marks").await;
    bench.run("INSERT INTO hour_marks SELECT * FROM aged").await;
    let hours = bench.store.roll_hours().await.unwrap();
    println!("merged, {hours} hours counted in {:.0} s", began.elapsed().as_secs_f64());
    let plates: u64 = bench.client.query("SELECT uniqExact(plate) FROM plates").fetch_one().await.unwrap();
    println!("{plates} different plates");

    let pick = |n: u64| {
        format!(
            "SELECT plate FROM passages WHERE plate != '' AND toStartOfHour(utc) = toStartOfHour(fromUnixTimestamp64Micro({}, 'UTC')) ORDER BY utc, id LIMIT 1",
            BEGIN_US + (YEAR_US / 97 * n) as i64
        )
    };
    let mut plates = Vec::new();
    for n in 0..ROUNDS as u64 {
        plates.push(bench.client.query(&pick(3 + 9 * n)).fetch_one::<String>().await.unwrap());
    }
    let search = |plate: String, how| PassageFilter {
        plate: Some(plate),
        plate_match: how,
        limit: 50,
        ..PassageFilter::default()
    };
    let day = |n: usize, days: f64, time, by_camera| {
        let from = UtcUs(BEGIN_US).plus_s(86_400.0 * (20.0 + 30.0 * n as f64));
        TallyQuery {
            from,
            to: from.plus_s(86_400.0 * days),
            cameras: None,
            rule: None,
            time,
            by_camera,
            by_rule: false,
        }
    };
    for (name, wanted) in [
        ("exact plate", 50),
        ("wildcard in the middle", 300),
        ("wildcard at the front", 300),
        ("near plate", 1000),
        ("newest 50", 50),
        ("a day by hour", 50),
        ("a month by hour and camera", 200),
    ] {
        let mut times = Vec::new();
        let mut found = 0;
        for (n, plate) in plates.iter().enumerate() {
            let began = Instant::now();
            found += match name {
                "exact plate" => bench.store.passages(&search(plate.clone(), PlateMatch::Pattern)).await.unwrap().len(),
                "wildcard in the middle" => bench
                    .store
                    .passages(&search(format!("{}?{}", &plate[..4], &plate[5..]), PlateMatch::Pattern))
                    .await
                    .unwrap()
                    .len(),
                "wildcard at the front" => {
                    bench.store.passages(&search(format!("*{}", &plate[4..]), PlateMatch::Pattern)).await.unwrap().len()
                }
                "near plate" => bench.store.passages(&search(plate.clone(), PlateMatch::Near)).await.unwrap().len(),
                "newest 50" => {
                    bench.store.passages(&PassageFilter { limit: 50, ..PassageFilter::default() }).await.unwrap().len()
                }
                "a day by hour" => {
                    bench.store.tally_passages(&day(n, 1.0, TallyTime::Hour, false)).await.unwrap().len()
                }
                _ => bench.store.tally_passages(&day(n, 30.0, TallyTime::Hour, true)).await.unwrap().len(),
            };
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        println!(
            "  {name:28} {:7.1} ms in the middle, {:7.1} most; wanted {wanted}; {found} rows",
            times[ROUNDS / 2],
            times[ROUNDS - 1]
        );
    }
    bench.chdb.stop();
}
