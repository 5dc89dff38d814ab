//! The hidden child command by itself, as the root binary has it, for this crate's tests.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let json = std::env::args().nth(1).ok_or("expected one argument: the JSON of ServeArgs")?;
    Ok(stopline_store::embedded::serve(&stopline_store::embedded::ServeArgs::parse(&json)?)?)
}
