//! The pages' server.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{backend::EngineBackend, config::Config};

/// Longest wait for browsers to take what they asked for, when stopping.
const PAGES_END: Duration = Duration::from_secs(5);

/// The pages being served.
pub(super) struct Pages {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
    pub(super) web: stopline_web::Web,
}

impl Pages {
    /// Begins to serve.
    pub(super) async fn open(config: &Config, backend: Arc<EngineBackend>) -> anyhow::Result<Self> {
        let web_config = config.engine.web.pages(config.engine.data_dir.join("web"));
        let web = stopline_web::Web::new(web_config, backend).context("the pages")?;
        let listen = config.engine.web.listen;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("web.listen: {listen}"))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let serving = web.clone();
        let task = tokio::spawn(async move {
            let end = async { drop(stopped.await) };
            if let Err(error) = serving.serve(listener, end).await {
                tracing::error!(%error, "the pages ended");
            }
        });
        Ok(Self { address, stop, task, web })
    }

    /// Ends serving, and with it the pages' hold on the way to the store.
    pub(super) async fn close(self) {
        let _already_ended = self.stop.send(());
        let mut serving = self.task;
        if tokio::time::timeout(PAGES_END, &mut serving).await.is_err() {
            // A browser that stopped reading must not keep the engine.
            serving.abort();
            drop(serving.await);
        }
    }
}
