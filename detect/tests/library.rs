//! Libraries that are not the right one. Its own process, because a process has one ONNX Runtime. Needs `make setup`
//! and a C compiler.
#![allow(clippy::unwrap_used, reason = "a test ends at once")]

mod support;

use std::{path::Path, process::Command};

use stopline_detect::inference::{InferenceError, Runtime};

/// What a library of before stopline's time answers.
const OLD: &str = r#"
struct base { const void *(*api)(unsigned); const char *(*version)(void); };
static const void *api(unsigned version) { (void)version; return 0; }
static const char *version(void) { return "1.17.3"; }
static const struct base the_base = { api, version };
const struct base *OrtGetApiBase(void) { return &the_base; }
"#;

#[test]
fn wrong_libraries_are_refused_and_the_right_one_still_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libonnxruntime.so");

    std::fs::write(&path, b"not a library").unwrap();
    let error = Runtime::load(&path).unwrap_err();
    assert!(matches!(error, InferenceError::LibraryUnusable { .. }), "{error}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");

    compile("int nothing;", &dir.path().join("other.so"));
    let error = Runtime::load(&dir.path().join("other.so")).unwrap_err();
    assert!(matches!(error, InferenceError::LibraryUnusable { .. }), "{error}");

    compile(OLD, &dir.path().join("old.so"));
    let error = Runtime::load(&dir.path().join("old.so")).unwrap_err();
    assert!(matches!(error, InferenceError::LibraryTooOld { .. }), "{error}");
    assert!(error.to_string().contains("1.17.3") && error.to_string().contains("make setup"), "{error}");

    assert!(support::runtime().build_info().contains("ORT"));
}

fn compile(code: &str, to: &Path) {
    let source = to.with_extension("c");
    std::fs::write(&source, code).unwrap();
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(to).arg(source).status().expect("cc");
    assert!(status.success());
}
