//! Events as they happen, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{self, KeepAlive, Sse},
};
use futures::{Stream, stream};
use stopline_types::Event;
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast, watch},
    time::Interval,
};

use crate::{
    app::App,
    now,
    problem::Problem,
    request::{SignedIn, session_token},
    secret::Secret,
    sessions,
};

/// A comment is sent after so long without an event, so that neither side takes the line for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is checked that the session has not ended.
const CHECK_SESSION: Duration = Duration::from_secs(30);

struct Line {
    app: Arc<App>,
    token: Secret,
    events: broadcast::Receiver<Arc<Event>>,
    stop: watch::Receiver<bool>,
    check: Interval,
    _place: OwnedSemaphorePermit,
}

enum Turn {
    Send(sse::Event),
    Check,
    End,
}

/// Every event from now on. The name of a message is the word in `event`; its data is the event as JSON. `missed`
/// says how many events were left out because this client was too slow: read the lists again. The stream ends when
/// the session does.
#[utoipa::path(get, path = "/events", tag = "live", responses(
    (status = 200, description = "the stream", content_type = "text/event-stream"),
    (status = 503, description = "too many streams are open", body = Problem),
))]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let place = app.streams.clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::unavailable("Too many live lists are open."))?;
    let token = session_token(&headers, app.config.secure_cookies).ok_or_else(Problem::not_signed_in)?;
    // From here on nothing is missed, although the answer is still on its way.
    let events = app.backend.subscribe();
    app.note(&account, "live_watched", "", "").await?;
    let mut check = tokio::time::interval(CHECK_SESSION);
    check.reset();
    let line = Line { token, events, stop: app.stop.subscribe(), check, _place: place, app };
    let hello = sse::Event::default().event("hello").data("{}");
    let stream = stream::unfold((line, Some(hello)), |(mut line, hello)| async move {
        if let Some(hello) = hello {
            return Some((Ok(hello), (line, None)));
        }
        let event = line.next().await?;
        Some((Ok(event), (line, None)))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Line {
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            let turn = tokio::select! {
                received = self.events.recv() => match received {
                    Ok(event) => message(&event),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        Turn::Send(sse::Event::default().event("missed").data(missed.to_string()))
                    }
                    Err(broadcast::error::RecvError::Closed) => Turn::End,
                },
                _ = self.stop.wait_for(|&stop| stop) => Turn::End,
                _ = self.check.tick() => Turn::Check,
            };
            match turn {
                Turn::Send(event) => return Some(event),
                Turn::End => return None,
                Turn::Check => {
                    let token = self.token;
                    let found = self.app.database.run(move |db| sessions::find(db, &token, now())).await;
                    if !matches!(found, Ok(Some(_))) {
                        return None;
                    }
                }
            }
        }
    }
}

fn message(event: &Event) -> Turn {
    match sse::Event::default().event(event.kind()).id(event.id().to_string()).json_data(event) {
        Ok(message) => Turn::Send(message),
        Err(error) => {
            tracing::error!(%error, id = %event.id(), "event cannot be sent");
            Turn::Send(sse::Event::default().event("missed").data("1"))
        }
    }
}
