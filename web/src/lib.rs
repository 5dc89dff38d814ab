//! HTTP API, log-in, live events and the pages.
