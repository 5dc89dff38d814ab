//! The pages over made-up cases, for working on the front end and for its end-to-end test. Nothing here is real: the
//! pictures are frames of the rendered junction in `fixtures/`, the rest is invented.
//!
//!     cargo run -p stopline-web --example sample_backend -- [--listen [::1]:8090] [--plates] [--live]
//!
//! Prints the address and one-time log-in links of two reviewers and a viewer.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "sample_backend/invent.rs"]
mod invent;
#[path = "../tests/common/memory.rs"]
mod memory;

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use memory::Memory;
use stopline_types::{Event, RuleKind, UtcUs};
use stopline_web::{Role, Web, WebConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| arguments.iter().any(|a| a == name);
    let listen = arguments.iter().position(|a| a == "--listen").and_then(|at| arguments.get(at + 1));
    let listen = listen.map_or("[::1]:8090", String::as_str);

    let data = tempfile::tempdir()?;
    let junction = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/junction_day");
    let memory = Memory::new(data.path().join("evidence"));
    let invented = invent::fill(&memory, &junction, given("--plates"))?;

    let mut config = WebConfig::new(data.path().join("web"));
    config.secure_cookies = false;
    config.second_approval = vec![RuleKind::WrongWay];
    let web = Web::new(config, memory.clone())?;
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let address = format!("http://{}", listener.local_addr()?);
    for (name, role) in [
        ("an", Role::Reviewer),
        ("binh", Role::Reviewer),
        ("khach", Role::Viewer),
        ("lan", Role::Approver),
        ("phan", Role::Analyst),
        ("toan", Role::Operator),
        ("kiem", Role::Auditor),
        ("quan", Role::Admin),
    ] {
        web.users().add(name, role, "mat-khau-thu-nghiem")?;
        let link = web.users().one_time_link(name, Duration::from_secs(3600))?;
        println!("{name} {address}{}", link.path);
    }
    println!("ready {address}");

    tokio::spawn(go_on(memory, invented, given("--live")));
    web.serve(listener, async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            println!("no signal handler: {error}");
        }
    })
    .await?;
    Ok(())
}

/// Something passes every second; with `violations` one of them breaks a rule now and then.
async fn go_on(memory: Arc<Memory>, mut invented: invent::Invented, violations: bool) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    for n in 1u64.. {
        every.tick().await;
        let now = UtcUs::from(std::time::SystemTime::now());
        memory.happen(Event::Passage(invented.passage(now)));
        if violations && n % 15 == 0 {
            memory.happen(Event::Violation(Box::new(invented.violation(now))));
        }
        invented.cameras_go_on(&memory, now);
    }
}
