//! The pages are embedded at compile time: a new build of them must rebuild this crate.

fn main() {
    println!("cargo:rerun-if-changed=ui/dist");
    println!("cargo:rerun-if-changed=build.rs");
}
