//! A process that runs the embedded ClickHouse and waits to be killed, for the test that its child goes with it.
//!
//! `chdb_parent CHILD_EXE LIBRARY DIR` prints the child's process number.

use std::{io::Write as _, path::PathBuf};

use stopline_store::embedded::{Embedded, EmbeddedConfig, HUNG_AFTER};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(exe), Some(library), Some(data_dir)) = (args.next(), args.next(), args.next()) else {
        return Err("expected CHILD_EXE LIBRARY DIR".into());
    };
    let config = EmbeddedConfig {
        exe,
        args: Vec::new(),
        library,
        data_dir,
        port: 0,
        database: "stopline".to_owned(),
        hung_after: HUNG_AFTER,
    };
    let chdb = Embedded::start(config)?;
    let pid = chdb.status().pid.ok_or("the child has no number")?;
    let mut out = std::io::stdout();
    writeln!(out, "{pid}")?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}
