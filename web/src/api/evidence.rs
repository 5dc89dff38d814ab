//! Files of evidence packages, in whole or in part: a browser seeks in a clip by asking for ranges.

use std::{io::SeekFrom, sync::Arc};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

use crate::{
    app::App,
    problem::Problem,
    request::{SignedIn, Within, event_id},
};

/// Bytes read at a time.
const CHUNK: u64 = 64 * 1024;
/// Files of every package besides those its reference lists.
const ALWAYS: [&str; 3] = ["manifest.json", "manifest.sig", "public.pem"];

/// A file of a case's evidence. Takes one byte range.
#[utoipa::path(get, path = "/cases/{id}/evidence/{file}", tag = "review",
    params(
        ("id" = String, Path, description = "id of the violation"),
        ("file" = String, Path, description = "a name of `evidence.files`, `manifest.json`, `manifest.sig` or `public.pem`"),
    ),
    responses(
        (status = 200, description = "the file", content_type = "application/octet-stream"),
        (status = 206, description = "the part asked for", content_type = "application/octet-stream"),
        (status = 404, description = "no such case, or the package has no such file", body = Problem),
        (status = 416, description = "the file has no such part"),
    ))]
pub(crate) async fn file(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path((id, name)): Path<(String, String)>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let id = event_id("id", &id)?;
    let missing = || Problem::not_found("The evidence of this violation has no such file.");
    if !is_plain(&name) {
        return Err(missing());
    }
    let violation = app.ask(app.backend.case(id)).await?.violation;
    within.need(&violation.camera)?;
    let evidence = violation.evidence.ok_or_else(missing)?;
    if !ALWAYS.contains(&name.as_str()) && !evidence.files.contains(&name) {
        return Err(missing());
    }
    let tag = format!("\"{}-{name}\"", &evidence.manifest_sha256.get(..16).unwrap_or_default());
    let opened = app.ask(app.backend.evidence_file(evidence, name.clone())).await?;
    let range = range(&request, opened.bytes);
    if range.is_none_or(|range| range.is_some_and(|(first, _)| first == 0)) {
        app.note(&account, "evidence_viewed", id.to_string(), name.clone()).await?;
    }

    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(&name)));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Evidence never changes, but only this person may see it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=900"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    let (status, first, length) = match range {
        None => (StatusCode::OK, 0, opened.bytes),
        Some(Some((first, last))) => {
            let text = format!("bytes {first}-{last}/{}", opened.bytes);
            headers.insert(header::CONTENT_RANGE, HeaderValue::from_str(&text).map_err(|e| Problem::fault(&e))?);
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Some(None) => {
            let text = format!("bytes */{}", opened.bytes);
            headers.insert(header::CONTENT_RANGE, HeaderValue::from_str(&text).map_err(|e| Problem::fault(&e))?);
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let mut source = opened.file;
    if first > 0 {
        source.seek(SeekFrom::Start(first)).await.map_err(|e| Problem::fault(&e))?;
    }
    Ok((status, headers, Body::from_stream(chunks(source, length))).into_response())
}

/// The next `left` bytes of a file. A file that ends early breaks the answer off, so that nobody takes it for whole.
fn chunks(file: File, left: u64) -> impl futures::Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold((file, left), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut buffer = Vec::with_capacity(left.min(CHUNK) as usize);
        let read = (&mut file).take(left.min(CHUNK)).read_to_end(&mut buffer).await? as u64;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((Bytes::from(buffer), (file, left - read))))
    })
}

/// One file name, no path: letters, digits and `. _ -`, not led by a dot.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(plain)
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("mp4") => "video/mp4",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

/// The one range asked for, first and last byte. `None`: the whole file (also for units and lists we do not take);
/// `Some(None)`: a part that the file has not.
fn range(request: &HeaderMap, bytes: u64) -> Option<Option<(u64, u64)>> {
    // With If-Range the client's copy may be of another version; the whole file is always a right answer.
    if request.contains_key(header::IF_RANGE) {
        return None;
    }
    let (first, last) = request.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>();
    let end = bytes.checked_sub(1);
    match (first.trim(), last.trim()) {
        ("", last) => {
            let length = number(last).ok()?;
            Some(end.filter(|_| length > 0).map(|end| (bytes.saturating_sub(length), end)))
        }
        (first, "") => {
            let first = number(first).ok()?;
            Some(end.filter(|&end| first <= end).map(|end| (first, end)))
        }
        (first, last) => {
            let (first, last) = (number(first).ok()?, number(last).ok()?);
            if last < first {
                return None;
            }
            Some(end.filter(|&end| first <= end).map(|end| (first, last.min(end))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let ask =
            |text: &'static str| range(&HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(text))]), 100);
        assert_eq!(range(&HeaderMap::new(), 100), None);
        assert_eq!(ask("bytes=0-"), Some(Some((0, 99))));
        assert_eq!(ask("bytes=10-19"), Some(Some((10, 19))));
        assert_eq!(ask("bytes=90-1000"), Some(Some((90, 99))));
        assert_eq!(ask("bytes=-10"), Some(Some((90, 99))));
        assert_eq!(ask("bytes=-1000"), Some(Some((0, 99))));
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(ask(beyond), Some(None), "{beyond}");
        }
        for not_taken in ["bytes=5-4", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"] {
            assert_eq!(ask(not_taken), None, "{not_taken}");
        }
    }

    #[test]
    fn names_are_plain() {
        assert!(is_plain("act.jpg") && is_plain("manifest.json"));
        for bad in ["", ".", "..", "../a", "a/b", "a\\b", ".hidden", "a\0b", "ả.jpg"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
