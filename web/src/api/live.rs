//! Events as they happen, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{self, KeepAlive, Sse},
};
use futures::{Stream, stream};
use stopline_types::Event;
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast, watch},
    time::Interval,
};

use rusqlite::Connection;

use crate::{
    IdentityError,
    app::App,
    grants::Rights,
    now,
    problem::Problem,
    request::{SignedIn, Within},
    roles::Right,
    sessions::{self, Account, Door},
    tokens,
};

/// A comment is sent after so long without an event, so that neither side takes the line for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is checked that the session has not ended.
const CHECK_SESSION: Duration = Duration::from_secs(30);

struct Line {
    app: Arc<App>,
    account: Arc<Account>,
    within: Within,
    cases: Option<Within>,
    events: broadcast::Receiver<Arc<Event>>,
    stop: watch::Receiver<bool>,
    check: Interval,
    _place: OwnedSemaphorePermit,
}

enum Turn {
    Look(Arc<Event>),
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
    within: Within,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let place = app.streams.clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::unavailable("Too many live lists are open."))?;
    let cases = match account.may(Right::ReadCases) {
        true => Some(Within::of(&app, &account, Right::ReadCases).await?),
        false => None,
    };
    // From here on nothing is missed, although the answer is still on its way.
    let events = app.backend.subscribe();
    app.note(&account, "live_watched", "", "").await?;
    let mut check = tokio::time::interval(CHECK_SESSION);
    check.reset();
    let line = Line { account, within, cases, events, stop: app.stop.subscribe(), check, _place: place, app };
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
    /// The event as this person may see it; `None`: not at all.
    fn shown(&self, event: &Arc<Event>) -> Option<Arc<Event>> {
        if !self.within.has(event.camera()) {
            return None;
        }
        if matches!(**event, Event::Review(_)) && !self.cases.as_ref().is_some_and(|cases| cases.has(event.camera())) {
            return None;
        }
        if self.account.may(Right::Unmask) {
            return Some(Arc::clone(event));
        }
        let mut masked = (**event).clone();
        self.app.pseudonyms.mask_event(&mut masked);
        Some(Arc::new(masked))
    }

    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            let turn = tokio::select! {
                received = self.events.recv() => match received {
                    Ok(event) => Turn::Look(event),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        Turn::Send(sse::Event::default().event("missed").data(missed.to_string()))
                    }
                    Err(broadcast::error::RecvError::Closed) => Turn::End,
                },
                _ = self.stop.wait_for(|&stop| stop) => Turn::End,
                _ = self.check.tick() => Turn::Check,
            };
            match turn {
                Turn::Look(event) => {
                    if let Some(event) = self.shown(&event) {
                        return Some(message(&event));
                    }
                }
                Turn::Send(event) => return Some(event),
                Turn::End => return None,
                Turn::Check => {
                    // Rights may have changed too: the browser comes again and is judged anew.
                    let (id, door, rights) = (self.account.id, self.account.door, self.account.rights.clone());
                    let found = self.app.database.run(move |db| still(db, id, door)).await;
                    if !matches!(found, Ok(Some(now)) if now == rights) {
                        return None;
                    }
                }
            }
        }
    }
}

/// What the user of an open door may do now; `None`: the door was shut.
fn still(db: &Connection, user: i64, door: Door) -> Result<Option<Rights>, IdentityError> {
    match door {
        Door::Session(session) => sessions::rights_of(db, session, now()),
        Door::Token(token) => tokens::rights_of(db, token, now()),
    }
    .map(|found| found.filter(|(id, _)| *id == user).map(|(_, rights)| rights))
}

fn message(event: &Event) -> sse::Event {
    match sse::Event::default().event(event.kind()).id(event.id().to_string()).json_data(event) {
        Ok(message) => message,
        Err(error) => {
            tracing::error!(%error, id = %event.id(), "event cannot be sent");
            sse::Event::default().event("missed").data("1")
        }
    }
}
