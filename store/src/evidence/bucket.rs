//! A bucket of an S3-compatible store, asked and answered synchronously: evidence is written by plain threads.

use std::{fmt, future::Future, path::PathBuf, pin::Pin, time::Duration};

use http_body_util::BodyExt as _;
use hyper_util::{client::legacy, rt::TokioExecutor};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, Checksum},
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
    path::Path as Key,
};
use tokio::runtime::Runtime;

use super::EvidenceError;
use crate::tls::{self, Connector};

/// Longest time a request may take; the largest is a clip of some megabytes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Before the store closes it.
const IDLE: Duration = Duration::from_secs(5);

/// Where a bucket is.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// `https://host[:port]`, or `http://…`; the bucket's name follows in the path.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// Stands before every key, without `/` at its ends; may be empty.
    pub prefix: String,
    /// The store's region; most stores of one's own take any.
    pub region: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// Trust these certificates (PEM); the system's own unless given.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for BucketConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketConfig({self})")
    }
}

impl fmt::Display for BucketConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.endpoint, self.bucket, self.prefix)
    }
}

/// A bucket, reached when asked. Must not be used on a thread of an asynchronous runtime: its methods block.
pub struct Bucket {
    config: BucketConfig,
    store: AmazonS3,
    /// Gone only when this is dropped.
    runtime: Option<Runtime>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.config)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // Waits for nobody, so that it may happen on a thread of an asynchronous runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Bucket {
    /// Takes the settings; nobody is asked yet.
    pub fn new(config: BucketConfig) -> Result<Self, EvidenceError> {
        let wrong = |reason: String| EvidenceError::Bucket { at: config.to_string(), reason };
        let connector = tls::connector(config.ca_file.as_deref(), config.endpoint.starts_with("http://"));
        let connector = connector.map_err(|error| wrong(error.to_string()))?;
        let client = legacy::Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector);
        let retry = RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(20), ..RetryConfig::default() };
        let store = AmazonS3Builder::new()
            .with_endpoint(&config.endpoint)
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_access_key_id(&config.access_key)
            .with_secret_access_key(&config.secret_key)
            .with_allow_http(true)
            .with_retry(retry)
            // The store checks what arrives.
            .with_checksum_algorithm(Checksum::SHA256)
            .with_http_connector(Http(client))
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { config, store, runtime: Some(runtime) })
    }

    fn wait<T>(&self, asked: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(asked),
            None => Err(object_store::Error::Generic { store: "S3", source: "ended".into() }),
        }
    }

    fn key(&self, path: &str) -> Key {
        Key::from_iter(self.config.prefix.split('/').chain(path.split('/')).filter(|part| !part.is_empty()))
    }

    fn refused(&self, path: &str) -> impl FnOnce(object_store::Error) -> EvidenceError {
        let at = format!("{}: {path}", self.config);
        move |error| EvidenceError::Bucket { at, reason: error.to_string() }
    }

    /// Asks for what lies below the prefix: whether the store is there, and the key is good.
    pub fn try_it(&self) -> Result<(), EvidenceError> {
        self.list("").map(drop)
    }

    /// Writes an object whole, in place of one of its name. Returns when the store has it.
    pub(super) fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), EvidenceError> {
        let written = self.wait(self.store.put(&self.key(path), bytes.into()));
        written.map(drop).map_err(self.refused(path))
    }

    /// Reads an object whole; `None`: there is none.
    pub fn get(&self, path: &str) -> Result<Option<Vec<u8>>, EvidenceError> {
        let key = self.key(path);
        let read = self.wait(async { self.store.get(&key).await?.bytes().await });
        match read {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.refused(path)(error)),
        }
    }

    /// Names directly below a folder, and whether each is one itself.
    pub(super) fn list(&self, path: &str) -> Result<Vec<(String, bool)>, EvidenceError> {
        let key = self.key(path);
        let listed = self.wait(self.store.list_with_delimiter(Some(&key)));
        let listed = listed.map_err(self.refused(path))?;
        let name = |key: &Key| key.filename().unwrap_or_default().to_owned();
        let folders = listed.common_prefixes.iter().map(|key| (name(key), true));
        let mut all: Vec<_> =
            folders.chain(listed.objects.iter().map(|object| (name(&object.location), false))).collect();
        all.sort();
        Ok(all)
    }
}

/// Our own HTTP client, with the certificates that were asked for.
#[derive(Debug, Clone)]
struct Http(legacy::Client<Connector, HttpRequestBody>);

impl HttpConnector for Http {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Http {
    fn call<'life, 'future>(
        &'life self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.0.request(request)).await;
            let answer = answer.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?;
            let answer = answer.map_err(|error| {
                let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request };
                HttpError::new(kind, error)
            })?;
            Ok(answer.map(|body| {
                HttpResponseBody::new(body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error)))
            }))
        })
    }
}
