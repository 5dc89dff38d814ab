//! The embedded ClickHouse as a client sees it, and its child's life.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    sync::Arc,
    time::Duration,
};

use clickhouse::{Client, Row};
use common::{child_exe, config, embedded, eventually, example, library, passage, store, violation};
use serde::{Deserialize, Serialize};
use stopline_store::{
    Endpoint,
    embedded::{Embedded, EmbeddedConfig, EmbeddedError, Listen, ServeArgs},
    queries::TableName,
    ship::{ShipOptions, Shipper},
    spool::{Spool, SpoolLimits},
};
use stopline_types::{Event, RuleKind};

/// An answer, taken apart.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// A request as it goes over the wire.
fn request(endpoint: &Endpoint, method: &str, query: &str, headers: &str, body: &[u8]) -> Answer {
    let address = endpoint.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{method} /{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n")
        .unwrap();
    write!(stream, "{headers}\r\n").unwrap();
    // A refused body may be left unread.
    let _refused = stream.write_all(body);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn ask(endpoint: &Endpoint, query: &str, body: &[u8]) -> Answer {
    let Endpoint { user, password, .. } = endpoint;
    request(endpoint, "POST", query, &format!("X-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {password}\r\n"), body)
}

#[test]
fn it_speaks_clickhouse_http() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(dir.path());
    let at = chdb.endpoint();

    // Questions in every place a statement may stand.
    assert_eq!(request(at, "GET", "ping", "", b"").body, "Ok.\n");
    assert_eq!(ask(at, "", b"SELECT 1 + 1").body, "2\n");
    assert_eq!(ask(at, "?query=SELECT%202", b"").body, "2\n");
    assert_eq!(ask(at, "?query=SELECT", b"3").body, "3\n");
    let json = ask(at, "?default_format=JSONEachRow", b"SELECT 1 AS a");
    assert_eq!(json.body, "{\"a\":1}\n");
    assert!(json.head.contains("x-clickhouse-format: jsoneachrow"), "{}", json.head);
    assert!(json.head.contains("content-type: application/x-ndjson"), "{}", json.head);
    assert!(json.head.contains("x-clickhouse-summary: {\"read_rows\":\"1\""), "{}", json.head);
    assert!(ask(at, "?query_id=abc", b"SELECT 1 FORMAT CSV").head.contains("x-clickhouse-query-id: abc"));

    // Settings and the database stay with the request.
    assert_eq!(ask(at, "?max_threads=3", b"SELECT getSetting('max_threads')").body, "3\n");
    assert_ne!(ask(at, "", b"SELECT getSetting('max_threads')").body, "3\n");
    assert_eq!(ask(at, "?database=system", b"SELECT currentDatabase()").body, "system\n");
    assert_eq!(ask(at, "", b"SELECT currentDatabase()").body, "default\n");
    assert_eq!(ask(at, "?param_x=a%27b&param_n=7", b"SELECT {x:String}, {n:UInt8}").body, "a\\'b\t7\n");
    let form = "--B\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {x:String}\r\n\
                --B\r\nContent-Disposition: form-data; name=\"param_x\"\r\n\r\nz\r\n--B--\r\n";
    let headers = format!(
        "X-ClickHouse-User: {}\r\nX-ClickHouse-Key: {}\r\nContent-Type: multipart/form-data; boundary=B\r\n",
        at.user, at.password
    );
    assert_eq!(request(at, "POST", "", &headers, form.as_bytes()).body, "z\n");

    // Data, also when it begins with what looks like white space.
    assert_eq!(ask(at, "", b"CREATE TABLE t (a UInt8, b String) ENGINE = MergeTree ORDER BY a").status, 200);
    let rows = [b' ', 1, b'\n', b'\t', 0];
    let inserted = ask(at, "?query=INSERT%20INTO%20t%20(a,b)%20FORMAT%20RowBinary", &rows);
    assert_eq!((inserted.status, inserted.body.as_str()), (200, ""));
    assert!(inserted.head.contains("\"written_rows\":\"2\""), "{}", inserted.head);
    assert_eq!(ask(at, "", b"SELECT a, hex(b) FROM t ORDER BY a").body, "9\t\n32\t0A\n");
    assert_eq!(ask(at, "", b"INSERT INTO t FORMAT CSV\n7,x\n8,y\n").status, 200);
    assert_eq!(ask(at, "", b"INSERT INTO t VALUES (10, 'z')").status, 200);
    assert_eq!(ask(at, "", b"SELECT count() FROM t").body, "5\n");
    // Packed, with the statement inside and outside: gzip of "INSERT INTO t FORMAT CSV\n11,w\n" and of "12,v\n".
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xf3\xf4\x0b\x76\x0d\x0a\x51\xf0\xf4\x0b\xf1\x57\x28\x51\x70\xf3\x0f\xf2\x75\x0c\x51\x70\x0e\x0e\xe3\x32\x34\xd4\x29\xe7\x02\x00\x8e\x44\xfa\xeb\x1e\x00\x00\x00";
    let headers =
        format!("X-ClickHouse-User: {}\r\nX-ClickHouse-Key: {}\r\nContent-Encoding: gzip\r\n", at.user, at.password);
    assert_eq!(request(at, "POST", "", &headers, packed).status, 200);
    let packed =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x33\x34\xd2\x29\xe3\x02\x00\xeb\xde\xa6\xa8\x05\x00\x00\x00";
    assert_eq!(request(at, "POST", "?query=INSERT%20INTO%20t%20FORMAT%20CSV", &headers, packed).status, 200);
    assert_eq!(ask(at, "", b"SELECT b FROM t WHERE a IN (11, 12) ORDER BY a").body, "w\nv\n");
    assert_eq!(ask(at, "", b"DELETE FROM t WHERE a IN (11, 12)").status, 200);
    assert_eq!(request(at, "POST", "", &headers.replace("gzip", "snail"), b"x").status, 501);
    let cut = ask(at, "?query=INSERT%20INTO%20t%20FORMAT%20RowBinary", &[1, 200, 1]);
    assert!(cut.status >= 400 && cut.body.starts_with("Code: "), "{} {}", cut.status, cut.body);
    assert_eq!(ask(at, "", b"SELECT count() FROM t").body, "5\n", "half a row inserts nothing");

    // What is wrong is said with ClickHouse's codes.
    for (query, body, status, code) in [
        ("", "SELECT nope", 400, 47),
        ("", "SELEC 1", 400, 62),
        ("", "SELECT * FROM nope", 404, 60),
        ("?database=nope", "SELECT 1", 404, 81),
        ("?nonsense=1", "SELECT 1", 400, 115),
        ("?a%20b=1", "SELECT 1", 400, 115),
        ("", "SELECT throwIf(1)", 500, 395),
        ("?decompress=1", "SELECT 1", 500, 271),
    ] {
        let answer = ask(at, query, body.as_bytes());
        assert_eq!(answer.status, status, "{query} {body}: {}", answer.body);
        assert!(answer.body.starts_with(&format!("Code: {code}. DB::Exception: ")), "{body}: {}", answer.body);
        assert!(answer.head.contains(&format!("x-clickhouse-exception-code: {code}\r\n")), "{}", answer.head);
    }
    let get = |query: &str| {
        let headers = format!("X-ClickHouse-User: {}\r\nX-ClickHouse-Key: {}\r\n", at.user, at.password);
        request(at, "GET", query, &headers, b"")
    };
    assert_eq!(get("?query=SELECT%205").body, "5\n");
    assert_eq!(get("?query=DROP%20TABLE%20t").status, 403, "GET changes nothing");

    // Who may ask.
    for headers in ["", "X-ClickHouse-User: stopline\r\nX-ClickHouse-Key: wrong\r\n", "Authorization: Basic eDp5\r\n"] {
        let refused = request(at, "POST", "", headers, b"SELECT 1");
        assert_eq!(refused.status, 401, "{headers}");
        assert!(refused.body.contains("AUTHENTICATION_FAILED") && !refused.body.contains(&at.password));
    }
    let by_url = format!("?user={}&password={}", at.user, at.password);
    assert_eq!(request(at, "POST", &by_url, "", b"SELECT 1").body, "1\n");
    assert!(!format!("{at:?}").contains(&at.password), "no password in debug output");
    chdb.stop();
}

#[derive(Debug, PartialEq, Clone, Row, Serialize, Deserialize)]
struct Item {
    id: u64,
    text: String,
    figures: Vec<(String, f64)>,
    maybe: Option<f64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clickhouse_crate_works_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(dir.path());
    let Endpoint { url, user, password, .. } = chdb.endpoint().clone();
    let client = Client::default()
        .with_url(url)
        .with_user(user)
        .with_password(password)
        .with_compression(clickhouse::Compression::None);
    let table = "CREATE TABLE items (id UInt64, text String, figures Map(LowCardinality(String), Float64), \
                 maybe Nullable(Float64)) ENGINE = MergeTree ORDER BY id";
    client.query(table).execute().await.unwrap();
    let tasks: Vec<_> = (0..24_u64)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut insert = client.insert::<Item>("items").await.unwrap();
                for n in 0..200 {
                    let item = Item {
                        id: task * 1000 + n,
                        text: "\n \0'\\ữ".into(),
                        figures: vec![("a".into(), 0.5)],
                        maybe: (n % 2 == 0).then_some(1.5),
                    };
                    insert.write(&item).await.unwrap();
                }
                insert.end().await.unwrap();
                let question = "SELECT ?fields FROM items WHERE id = {id:UInt64} AND text = {text:String}";
                let found: Item = client
                    .query(question)
                    .param("id", task * 1000)
                    .param("text", "\n \0'\\ữ")
                    .fetch_one()
                    .await
                    .unwrap();
                assert_eq!(found.maybe, Some(1.5));
                assert_eq!(found.figures, [("a".to_owned(), 0.5)]);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(client.query("SELECT count() FROM items").fetch_one::<u64>().await.unwrap(), 24 * 200);
    let refused = client.query("SELECT nope").fetch_one::<u64>().await.unwrap_err().to_string();
    assert!(refused.contains("Code: 47"), "{refused}");
    chdb.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn data_and_password_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(dir.path());
    let first = chdb.endpoint().clone();
    let tables = store(&first).await;
    chdb.stop();
    assert!(tables.counts().await.is_err(), "stopped is stopped");
    let chdb = embedded(dir.path());
    assert_eq!(chdb.endpoint().password, first.password);
    assert_eq!(store(chdb.endpoint()).await.counts().await.unwrap().len(), TableName::ALL.len());
    chdb.stop();
}

#[test]
fn a_data_folder_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(dir.path());
    let refused = Embedded::start(config(dir.path())).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("in use by another process (process "), "{refused}");
    chdb.stop();
}

#[test]
fn a_missing_or_wrong_library_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [("gone.so", None), ("wrong.so", Some("no library"))] {
        let library = dir.path().join(name);
        if let Some(content) = content {
            std::fs::write(&library, content).unwrap();
        }
        let config = EmbeddedConfig { library, ..config(&dir.path().join("data")) };
        let refused = Embedded::start(config).map(|_| ()).unwrap_err();
        assert!(matches!(refused, EmbeddedError::Start { .. }));
        let refused = refused.to_string();
        assert!(refused.contains(name) && refused.contains("make setup"), "{refused}");
    }
}

#[test]
fn only_loopback_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let args = ServeArgs {
        library: library(),
        data_dir: dir.path().to_owned(),
        listen: Listen::Address(([0, 0, 0, 0], 0).into()),
        user: "x".into(),
        password_file: dir.path().join("password"),
    };
    let refused = stopline_store::embedded::serve(&args).unwrap_err().to_string();
    assert!(refused.contains("not a loopback address"), "{refused}");
}

#[test]
fn the_child_dies_with_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    let mut parent = Command::new(example("chdb_parent"))
        .arg(child_exe())
        .arg(library())
        .arg(dir.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(parent.stdout.take().unwrap()), &mut line).unwrap();
    let child: u32 = line.trim().parse().unwrap();
    // Gone, or a corpse that nobody has collected yet.
    let alive = || {
        std::fs::read_to_string(format!("/proc/{child}/stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with(['Z', 'X']))
    };
    assert!(alive());
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the child is gone", || !alive());
    // And its folder is free again.
    embedded(dir.path()).stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_row_goes_to_dead_letters_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let tables = store(chdb.endpoint()).await;
    let constraint = b"ALTER TABLE violations ADD CONSTRAINT c CHECK camera != 'poison'";
    assert_eq!(ask(chdb.endpoint(), "?database=stopline", constraint).status, 200);
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    let events: Vec<Event> = (0..20)
        .map(|n| {
            let camera = if n == 7 || n == 13 { "poison" } else { "cam-1" };
            Event::Violation(Box::new(violation(camera, f64::from(n), RuleKind::RedLight)))
        })
        .collect();
    spool.append(&events).unwrap();
    let shipper = Shipper::start(spool.clone(), &tables, ShipOptions::default()).unwrap();
    assert!(shipper.drain(Duration::from_secs(30)), "{:?}", shipper.stats());
    let stats = shipper.stats();
    assert_eq!((stats.rows["violations"], stats.dead_letters), (18, 2));
    let dead = tables.ids(TableName::DeadLetters).await.unwrap();
    assert!(dead.contains(&events[7].id()) && dead.contains(&events[13].id()));
    let told = ask(chdb.endpoint(), "?database=stopline", b"SELECT reason, body FROM dead_letters");
    assert!(told.body.contains("VIOLATED_CONSTRAINT") && told.body.contains("\"rule\":\"red_light\""), "{}", told.body);
    shipper.stop();
    chdb.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn shipping_waits_for_tables_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    // Not migrated yet: everything is refused, and nothing is given up.
    let tables = stopline_store::Store::connect(chdb.endpoint()).unwrap();
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    spool.append(&[passage("cam-1", 1.0, None)]).unwrap();
    let shipper = Shipper::start(spool.clone(), &tables, ShipOptions::default()).unwrap();
    eventually("a retry", || shipper.stats().retries > 1);
    let stats = shipper.stats();
    assert!(stats.last_error.contains("Code: "), "{stats:?}");
    assert_eq!((stats.unshipped, stats.oldest_unshipped.is_some()), (1, true));
    tables.migrate().await.unwrap();
    assert!(shipper.drain(Duration::from_secs(60)), "{:?}", shipper.stats());
    assert_eq!(shipper.stats().last_error, "");
    shipper.stop();

    chdb.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_sent_again_under_its_token_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(dir.path());
    store(chdb.endpoint()).await;
    for table in TableName::ALL.map(TableName::as_str) {
        // Without merges nothing else could make two rows one.
        assert_eq!(
            ask(chdb.endpoint(), "?database=stopline", format!("SYSTEM STOP MERGES {table}").as_bytes()).status,
            200
        );
        let insert = |token: &str| {
            let query = format!(
                "?database=stopline&async_insert=0&insert_deduplication_token={token}&query=INSERT%20INTO%20{table}%20\
                 (id,utc,camera)%20FORMAT%20CSV"
            );
            let answer = ask(chdb.endpoint(), &query, b"0123456789abcdef,1,cam-1\n");
            assert_eq!(answer.status, 200, "{table}: {}", answer.body);
            ask(chdb.endpoint(), "?database=stopline", format!("SELECT count() FROM {table}").as_bytes()).body
        };
        assert_eq!(insert("s-0-1"), "1\n", "{table}");
        assert_eq!(insert("s-0-1"), "1\n", "{table}: the same token");
        assert_eq!(insert("s-2-3"), "2\n", "{table}: another token");
    }
    chdb.stop();
}

#[test]
fn a_hung_child_is_killed_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig { hung_after: Duration::from_secs(3), ..config(dir.path()) };
    let chdb = Embedded::start(config).unwrap();
    assert_eq!(ask(chdb.endpoint(), "", b"CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a").status, 200);
    let stopped = chdb.status().pid.unwrap();
    // Alive for whoever looks at processes, and dumb.
    assert!(Command::new("kill").args(["-STOP", &stopped.to_string()]).status().unwrap().success());
    eventually("another child", || chdb.status().pid.is_some_and(|pid| pid != stopped));
    eventually("it answers", || ask(chdb.endpoint(), "", b"SELECT count() FROM t").body == "0\n");
    let status = chdb.status();
    assert_eq!(status.restarts, 1);
    assert!(status.last_exit.as_deref().unwrap().contains("hung"), "{status:?}");
    chdb.stop();
}

#[test]
fn long_answers_stream_and_are_packed_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(dir.path());
    let at = chdb.endpoint();
    let rows = 2_000_000_u64;
    let sql = format!("SELECT number FROM numbers({rows})");
    let sum = |body: &str| body.lines().map(|line| line.parse::<u64>().unwrap()).sum::<u64>();

    // More than a chunk, in chunks.
    let streamed = ask(at, "", sql.as_bytes());
    assert!(streamed.head.contains("transfer-encoding: chunked"), "{}", streamed.head);
    assert_eq!(sum(&unchunk(&streamed.body)), rows * (rows - 1) / 2);
    // Held back when the client asks for it: whole, with its summary.
    let held = ask(at, "?wait_end_of_query=1", sql.as_bytes());
    assert!(held.head.contains("content-length") && held.head.contains("x-clickhouse-summary"), "{}", held.head);
    assert_eq!(sum(&held.body), rows * (rows - 1) / 2);

    // A failure after the first rows breaks the connection off; one before any row is an error like any other.
    let late = format!("SELECT throwIf(number = {}) FROM numbers({rows}) SETTINGS max_block_size = 1000", rows - 1);
    let cut = ask(at, "", late.as_bytes());
    assert!(cut.status == 200 && !cut.body.ends_with("0\r\n\r\n"), "{} {:?}", cut.status, cut.body.get(..20));
    assert_eq!(ask(at, "?wait_end_of_query=1", late.as_bytes()).status, 500);

    // A client that goes away in the middle gives its place back: there are eight.
    for _ in 0..20 {
        let address = at.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let endless = b"SELECT number FROM numbers(100000000000)";
        write!(stream, "POST /?user={}&password={} HTTP/1.1\r\nHost: x\r\n", at.user, at.password).unwrap();
        write!(stream, "Content-Length: {}\r\n\r\n", endless.len()).unwrap();
        stream.write_all(endless).unwrap();
        stream.read_exact(&mut [0; 100]).unwrap();
    }
    assert_eq!(ask(at, "", b"SELECT 1").body, "1\n");

    // Packed by content coding and in ClickHouse's blocks, both ways.
    let headers =
        format!("X-ClickHouse-User: {}\r\nX-ClickHouse-Key: {}\r\nAccept-Encoding: zstd\r\n", at.user, at.password);
    let packed = request(at, "POST", "?enable_http_compression=1", &headers, b"SELECT 1");
    assert!(packed.head.contains("content-encoding: zstd"), "{}", packed.head);
    assert!(!request(at, "POST", "", &headers, b"SELECT 1").head.contains("content-encoding"), "only if asked for");
    chdb.stop();
}

/// Takes HTTP chunks apart.
fn unchunk(body: &str) -> String {
    let (mut whole, mut rest) = (String::new(), body);
    while let Some((length, tail)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&tail[..length]);
        rest = &tail[length + 2..];
        if length == 0 {
            break;
        }
    }
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_pack_in_clickhouse_blocks_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(dir.path());
    let Endpoint { url, user, password, .. } = chdb.endpoint().clone();
    let client = Client::default()
        .with_url(url)
        .with_user(user)
        .with_password(password)
        .with_compression(clickhouse::Compression::Lz4);
    client.query("CREATE TABLE n (n UInt64) ENGINE = MergeTree ORDER BY n").execute().await.unwrap();
    #[derive(Row, Serialize)]
    struct N {
        n: u64,
    }
    let mut insert = client.insert::<N>("n").await.unwrap();
    for n in 0..300_000 {
        insert.write(&N { n }).await.unwrap();
    }
    insert.end().await.unwrap();
    let all = client.query("SELECT n FROM n ORDER BY n").fetch_all::<u64>().await.unwrap();
    assert!(all.iter().copied().eq(0..300_000));
    chdb.stop();
}

/// The Python client that analysts use, from PyPI and unchanged; set-up installs it.
#[test]
fn clickhouse_connect_works_unchanged() {
    let cache = library().parent().and_then(|lib| lib.parent().map(std::path::Path::to_owned)).unwrap();
    let python = cache.join("venv/bin/python");
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(dir.path());
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clickhouse_connect_client.py");
    let (_, port) = chdb.endpoint().url.rsplit_once(':').unwrap();
    let done = Command::new(&python)
        .arg(script)
        .env("PORT", port)
        .env("CLICKHOUSE_USER", &chdb.endpoint().user)
        .env("CLICKHOUSE_PASSWORD", &chdb.endpoint().password)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}: run `scripts/setup.sh --test`", python.display()));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!said.contains("No module named 'clickhouse_connect'"), "run `scripts/setup.sh --test`");
    assert!(done.status.success(), "{said}");
    chdb.stop();
}
