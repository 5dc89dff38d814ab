//! ClickHouse's HTTP interface over the engine: takes a request apart, runs it, words the answer.

use std::{fs::File, io::Write as _, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{FromRequest, Multipart, Request, State},
    http::{HeaderMap, Method, Response, header},
    routing::get,
};
use bytes::Bytes;
use tokio::sync::Semaphore;
use url::form_urlencoded;

use super::{
    answer::{self, Answered, Outlet, Wishes},
    ffi::{self, Engine},
    frame, password,
    reply::{AS_TOO_LARGE, Failure, insert},
    statement::{InsertData, into_file, output_format},
};

/// Statements that run side by side.
const RUNNING: usize = 8;
/// Statements that may wait for a place; one more is refused with TOO_MANY_SIMULTANEOUS_QUERIES.
const WAITING: usize = 256;
/// Longest body, in bytes. A batch of ours is some 20 MB.
const BODY_BYTES: usize = 256 << 20;

/// What every request shares.
pub(super) struct Server {
    pub(super) engine: &'static Engine,
    pub(super) user: String,
    pub(super) password: String,
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(engine: &'static Engine, user: String, password: String) -> Self {
        let running = Arc::new(Semaphore::new(RUNNING));
        Self { engine, user, password, running, places: Arc::new(Semaphore::new(RUNNING + WAITING)) }
    }

    pub(super) fn router(self) -> Router {
        let handle = get(query).post(query);
        Router::new()
            .route("/ping", get(|| async { "Ok.\n" }))
            .route("/health", get(health))
            .route("/", handle)
            .with_state(Arc::new(self))
    }
}

/// A statement with all that belongs to it, as it came.
pub(super) struct Statement {
    /// From the URL and the form.
    query: String,
    body: Bytes,
    /// The engine's name of the body's encoding.
    encoding: Option<&'static str>,
    database: Option<String>,
    format: String,
    settings: Vec<(String, String)>,
    params: Vec<(String, String)>,
    read_only: bool,
    /// The body comes in ClickHouse's own blocks.
    framed: bool,
    pub(super) wishes: Wishes,
}

async fn query(State(server): State<Arc<Server>>, request: Request) -> Response<Body> {
    let mut pairs: Vec<(String, String)> =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    let mut take = |name: &str| pairs.iter().position(|(key, _)| key == name).map(|at| pairs.swap_remove(at).1);
    let query_id = take("query_id").unwrap_or_else(random_id);
    let url_credentials = (take("user"), take("password"));
    let allowed = authenticate(&server, request.headers(), url_credentials);
    let answer = async {
        allowed?;
        run(&server, Statement::read(request, pairs).await?).await
    };
    match answer.await {
        Ok(mut response) => {
            insert(&mut response, "x-clickhouse-query-id", &query_id);
            response
        }
        Err(failure) => failure.into_response(&query_id),
    }
}

/// Whether the engine itself still answers. Takes none of the places, so that long statements do not look like a hang.
async fn health(State(server): State<Arc<Server>>) -> Result<&'static str, axum::http::StatusCode> {
    let engine = server.engine;
    let asked = tokio::task::spawn_blocking(move || {
        engine.session().is_ok_and(|mut session| session.run(b"SELECT 1", "TabSeparated", &[]).is_ok())
    });
    match asked.await {
        Ok(true) => Ok("Ok.\n"),
        Ok(false) | Err(_) => Err(axum::http::StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn random_id() -> String {
    let mut id = [0_u8; 16];
    // Without randomness the id is all zeros: it is only a label.
    getrandom::fill(&mut id).unwrap_or_default();
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn authenticate(server: &Server, headers: &HeaderMap, url: (Option<String>, Option<String>)) -> Result<(), Failure> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let basic = text("authorization").and_then(|value| {
        let decoded = base64(value.strip_prefix("Basic ")?)?;
        let (user, password) = decoded.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    });
    let (user, given) = match basic {
        Some(pair) => pair,
        None => (
            text("x-clickhouse-user").or(url.0).unwrap_or_else(|| "default".to_owned()),
            text("x-clickhouse-key").or(url.1).unwrap_or_default(),
        ),
    };
    if user == server.user && password::same(&server.password, &given) {
        return Ok(());
    }
    let message = format!("{user}: Authentication failed: password is incorrect, or there is no user with such name");
    Err(Failure::new(516, "AUTHENTICATION_FAILED", message))
}

/// RFC 4648 base64 of an HTTP Basic header; `None` when it is none.
fn base64(text: &str) -> Option<String> {
    let (mut bits, mut held, mut out) = (0_u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    String::from_utf8(out).ok()
}

impl Statement {
    /// Takes the request apart. `pairs` are the URL's parameters.
    async fn read(request: Request, pairs: Vec<(String, String)>) -> Result<Self, Failure> {
        let mut this = Self {
            query: String::new(),
            body: Bytes::new(),
            encoding: None,
            database: None,
            format: "TabSeparated".to_owned(),
            settings: Vec::new(),
            params: Vec::new(),
            read_only: request.method() == Method::GET,
            framed: false,
            wishes: Wishes::default(),
        };
        for (key, value) in pairs {
            this.take(key, value)?;
        }
        let is_form = {
            let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            this.encoding = encoding(header(header::CONTENT_ENCODING))?;
            this.wishes.coding = accepted(header(header::ACCEPT_ENCODING)).filter(|_| this.wishes.may_code);
            header(header::CONTENT_TYPE).starts_with("multipart/form-data")
        };
        if is_form {
            this.form(request).await?;
        } else {
            this.body = to_bytes(request.into_body(), BODY_BYTES).await.map_err(|error| {
                Failure::new(AS_TOO_LARGE, "TOO_LARGE_SIZE", format_args!("cannot take the body: {error}"))
            })?;
        }
        if this.framed {
            this.body = frame::unpack(&this.body, BODY_BYTES)?.into();
        }
        Ok(this)
    }

    fn take(&mut self, key: String, value: String) -> Result<(), Failure> {
        match key.as_str() {
            "query" => self.query.push_str(&value),
            "database" => self.database = Some(value).filter(|name| !name.is_empty()),
            "default_format" => self.format = value,
            "decompress" => self.framed = value != "0",
            "compress" => self.wishes.framed = value != "0",
            "wait_end_of_query" => self.wishes.whole = value != "0",
            "enable_http_compression" => self.wishes.may_code = value != "0",
            // Of no meaning here: every request is its own session, and how much is held back is ours to choose.
            "buffer_size" | "session_id" | "session_timeout" | "session_check" | "close_session" | "quota_key"
            | "role" | "stacktrace" | "query_id" => {}
            name => match name.strip_prefix("param_") {
                Some(name) => self.params.push((name.to_owned(), value)),
                None => self.settings.push((key, value)),
            },
        }
        Ok(())
    }

    async fn form(&mut self, request: Request) -> Result<(), Failure> {
        let bad = |error: &dyn std::fmt::Display| Failure::new(117, "INCORRECT_DATA", format_args!("form: {error}"));
        let mut form = Multipart::from_request(request, &()).await.map_err(|error| bad(&error))?;
        while let Some(field) = form.next_field().await.map_err(|error| bad(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            if name != "query" && !name.starts_with("param_") {
                let message = format!("form field {name:?}: external tables are not taken");
                return Err(Failure::new(48, "NOT_IMPLEMENTED", message));
            }
            let value = field.text().await.map_err(|error| bad(&error))?;
            self.take(name, value)?;
        }
        Ok(())
    }

    /// The format rows will come in, as far as it can be told before the statement runs.
    pub(super) fn asked_format(&self) -> String {
        let named = output_format(self.query.as_bytes());
        // What is long is data, not a statement.
        let named = named.or_else(|| output_format(&self.body).filter(|_| self.body.len() < 1 << 20));
        named.unwrap_or_else(|| self.format.clone())
    }

    /// Runs in a session of its own, so that nothing set here reaches another request. Rows go to `outlet` if there is
    /// one and the statement gives any. Blocks.
    pub(super) fn run(&self, engine: &'static Engine, outlet: Option<&Outlet>) -> Result<Answered, Failure> {
        let whole = |output, format| Answered { output, format, piped: false };
        let mut session = engine.session().map_err(|error| Failure::new(1002, "UNKNOWN_EXCEPTION", error))?;
        let mut run = |sql: &[u8], params: &[_]| session.run(sql, &self.format, params).map_err(Failure::from_engine);
        if let Some(database) = &self.database {
            run(format!("USE {}", identifier(database)).as_bytes(), &[])?;
        }
        if !self.settings.is_empty() {
            run(self.set_statement()?.as_bytes(), &[])?;
        }
        if self.read_only {
            run(b"SET readonly = 1", &[])?;
        }
        if let Some(insert) = InsertData::find(self.query.as_bytes()) {
            let behind = &self.query.as_bytes()[insert.data_at..];
            if behind.is_empty() {
                let file = in_memory(&self.body)?;
                let sql = insert.reading_file(&ffi::path_of(&file), self.encoding);
                return Ok(whole(run(sql.as_bytes(), &self.params)?, self.format.clone()));
            }
        }
        let unpacked;
        let mut body: &[u8] = &self.body;
        if let Some(encoding) = self.encoding.filter(|_| !body.is_empty()) {
            // The statement itself is packed. The engine can unpack it.
            let file = in_memory(body)?;
            let path = ffi::path_of(&file);
            let sql = format!("SELECT * FROM file('{path}', 'RawBLOB', 'text String', '{encoding}') FORMAT RawBLOB");
            unpacked = run(sql.as_bytes(), &[])?;
            body = unpacked.as_ref();
        }
        let joined;
        let text = if self.query.is_empty() {
            body
        } else if body.is_empty() {
            self.query.as_bytes()
        } else {
            joined = [self.query.as_bytes(), b"\n", body].concat();
            &joined
        };
        if let Some(insert) = InsertData::find(text) {
            let file = in_memory(&text[insert.data_at..])?;
            let sql = insert.reading_file(&ffi::path_of(&file), None);
            return Ok(whole(run(sql.as_bytes(), &self.params)?, self.format.clone()));
        }
        let format = output_format(text).unwrap_or_else(|| self.format.clone());
        if let Some(outlet) = outlet
            && let Some(sql) = into_file(text, outlet, &self.format)
        {
            return Ok(Answered { output: run(&sql, &self.params)?, format, piped: true });
        }
        Ok(whole(run(text, &self.params)?, format))
    }

    fn set_statement(&self) -> Result<String, Failure> {
        let mut set = Vec::new();
        for (name, value) in &self.settings {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.') {
                return Err(Failure::new(115, "UNKNOWN_SETTING", format_args!("unknown setting {name:?}")));
            }
            set.push(format!("{name} = {}", string(value)));
        }
        Ok(format!("SET {}", set.join(", ")))
    }
}

/// Puts data where the engine can open it as a file: its parser of inline data drops leading bytes that look like white
/// space.
fn in_memory(data: &[u8]) -> Result<File, Failure> {
    ffi::memory_file()
        .and_then(|mut file| file.write_all(data).map(|()| file))
        .map_err(|error| Failure::new(1002, "UNKNOWN_EXCEPTION", format_args!("memfd: {error}")))
}

/// `name` as an SQL identifier.
fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// `text` as an SQL string.
fn string(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The engine's name of an HTTP content coding.
fn encoding(coding: &str) -> Result<Option<&'static str>, Failure> {
    match coding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" => Ok(Some("gzip")),
        "deflate" => Ok(Some("deflate")),
        "br" => Ok(Some("br")),
        "zstd" => Ok(Some("zstd")),
        "lz4" => Ok(Some("lz4")),
        other => Err(Failure::new(48, "NOT_IMPLEMENTED", format_args!("Content-Encoding {other:?} is not taken"))),
    }
}

/// The content coding to answer in: of those the client takes, the first that the engine can write.
fn accepted(header: &str) -> Option<&'static str> {
    let refused = |coding: &str| coding.split(';').any(|part| matches!(part.trim(), "q=0" | "q=0.0"));
    let known = |name: &str| ["zstd", "lz4", "gzip", "br", "deflate"].into_iter().find(|known| *known == name);
    header.split(',').filter(|coding| !refused(coding)).find_map(|coding| known(coding.split(';').next()?.trim()))
}

async fn run(server: &Server, statement: Statement) -> Result<Response<Body>, Failure> {
    let too_many = |_| Failure::new(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "too many simultaneous queries");
    let place = server.places.clone().try_acquire_owned().map_err(too_many)?;
    let turn = server
        .running
        .clone()
        .acquire_owned()
        .await
        .map_err(|_| Failure::new(236, "ABORTED", "the embedded ClickHouse is shutting down"))?;
    // Held to the end of the work even if the client has gone.
    answer::respond(server.engine, statement, (turn, place)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_read() {
        assert_eq!(base64("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").as_deref(), Some("Aladdin:open sesame"));
        assert_eq!(base64("a!"), None);
    }

    #[test]
    fn the_first_coding_the_engine_can_write_is_taken() {
        assert_eq!(accepted("x, lz4;q=0, br, gzip"), Some("br"));
        assert_eq!(accepted("zstd;q=0.5,gzip"), Some("zstd"));
        assert_eq!((accepted(""), accepted("identity")), (None, None));
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(identifier("a`b\\"), "`a\\`b\\\\`");
        assert_eq!(string("a'b\\"), "'a\\'b\\\\'");
    }
}
