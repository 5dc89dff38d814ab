//! Just enough of ClickHouse's lexical rules to hand the body of an INSERT over as a file and to know a query's
//! output format. Everything else about a statement is the engine's business.

use std::ops::Range;

use super::answer::Outlet;

/// Words of a statement outside strings, comments and parentheses, with where they stand.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    /// Steps over one thing that is no word. Returns false at the end.
    fn skip(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some(&first) = rest.first() else { return false };
        self.at += match first {
            b'\'' | b'"' | b'`' => quoted(rest),
            b'-' if rest.starts_with(b"--") => line(rest),
            b'#' if rest.starts_with(b"# ") || rest.starts_with(b"#!") => line(rest),
            b'/' if rest.starts_with(b"/*") => rest.windows(2).position(|w| w == b"*/").map_or(rest.len(), |p| p + 2),
            b'(' | b'[' | b'{' => nested(rest),
            _ => 1,
        };
        true
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = (Range<usize>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        while !self.text.get(self.at).is_some_and(word) {
            if !self.skip() {
                return None;
            }
        }
        let start = self.at;
        while self.text.get(self.at).is_some_and(word) {
            self.at += 1;
        }
        Some((start..self.at, &self.text[start..self.at]))
    }
}

/// Length of a quoted run at the start of `text`; backslash escapes and doubled quotes belong to it.
fn quoted(text: &[u8]) -> usize {
    let quote = text[0];
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote && text.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn line(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1)
}

/// Length of a bracketed run at the start of `text`. Counts instead of recursing: a query may nest as deep as it likes.
fn nested(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b'\'' | b'"' | b'`' => at += quoted(&text[at..]) - 1,
            b'-' if text[at..].starts_with(b"--") => at += line(&text[at..]) - 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// An `INSERT … FORMAT F`, whose data follow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InsertData {
    /// `INSERT INTO … (…)`.
    head: String,
    /// `SETTINGS … FORMAT F`.
    tail: String,
    /// Where the data begin in the text that was looked at.
    pub(super) data_at: usize,
}

impl InsertData {
    /// Recognises an INSERT that brings data in a named format; `None` for everything else (queries, `VALUES`,
    /// `SELECT`, `INFILE`), which goes to the engine as it is.
    pub(super) fn find(text: &[u8]) -> Option<Self> {
        let mut words = Words { text, at: 0 };
        let (_, first) = words.next()?;
        if !first.eq_ignore_ascii_case(b"insert") {
            return None;
        }
        let mut split = None;
        while let Some((at, word)) = words.next() {
            if [&b"select"[..], b"with", b"values", b"infile", b"watch"].iter().any(|w| word.eq_ignore_ascii_case(w)) {
                return None;
            }
            if word.eq_ignore_ascii_case(b"settings") && split.is_none() {
                split = Some(at.start);
            }
            if word.eq_ignore_ascii_case(b"format") {
                let (format, _) = words.next()?;
                let split = split.unwrap_or(at.start);
                return Some(Self {
                    head: String::from_utf8(text[..split].to_vec()).ok()?,
                    tail: String::from_utf8(text[split..format.end].to_vec()).ok()?,
                    data_at: format.end + gap(&text[format.end..]),
                });
            }
        }
        None
    }

    /// The same INSERT reading `path` instead. `compression` is the engine's name of the file's encoding.
    pub(super) fn reading_file(&self, path: &str, compression: Option<&str>) -> String {
        let compression = compression.map(|name| format!(" COMPRESSION '{name}'")).unwrap_or_default();
        format!("{} FROM INFILE '{path}'{compression} {}", self.head, self.tail)
    }
}

/// What ClickHouse skips between the format's name and the data: blanks, then one line end.
fn gap(text: &[u8]) -> usize {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | 0x0c)).count();
    let rest = &text[blanks..];
    blanks + if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) }
}

/// The format a query asks for by its last `FORMAT` clause, if any.
pub(super) fn output_format(text: &[u8]) -> Option<String> {
    let mut words = Words { text, at: 0 };
    let mut found = None;
    while let Some((_, word)) = words.next() {
        if word.eq_ignore_ascii_case(b"format") {
            found = words.next().and_then(|(_, name)| String::from_utf8(name.to_vec()).ok());
        }
    }
    found
}

/// `text` with its rows going into `outlet`; `None` for statements that give no rows
/// or bring a file of their own.
pub(super) fn into_file(text: &[u8], outlet: &Outlet, default_format: &str) -> Option<Vec<u8>> {
    let asks = [&b"select"[..], b"with", b"show", b"describe", b"desc", b"explain", b"exists"];
    let (mut format_at, mut first) = (None, true);
    let words = Words { text, at: 0 };
    // A question may begin with a parenthesis, which is skipped like any other.
    let bracketed = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'(');
    let mut end = 0;
    for (at, word) in words {
        if std::mem::take(&mut first) && !bracketed && !asks.iter().any(|ask| word.eq_ignore_ascii_case(ask)) {
            return None;
        }
        if word.eq_ignore_ascii_case(b"outfile") || word.eq_ignore_ascii_case(b"insert") {
            return None;
        }
        if word.eq_ignore_ascii_case(b"format") {
            format_at = Some(at.start);
        }
        end = at.end;
    }
    if first && !bracketed {
        return None;
    }
    let Outlet { path, coding, mark } = outlet;
    let packed = coding.map(|name| format!(" COMPRESSION '{name}'")).unwrap_or_default();
    let into = format!("\nINTO OUTFILE '{path}' TRUNCATE{packed} /* {mark} */ ");
    let mut sql = Vec::with_capacity(text.len() + into.len() + 32);
    match format_at {
        Some(at) => {
            sql.extend_from_slice(&text[..at]);
            sql.extend_from_slice(into.as_bytes());
            sql.extend_from_slice(&text[at..]);
        }
        None => {
            sql.extend_from_slice(&text[..end + rest_of_statement(&text[end..])]);
            sql.extend_from_slice(into.as_bytes());
            sql.extend_from_slice(format!("FORMAT {default_format}").as_bytes());
        }
    }
    Some(sql)
}

/// Length of what belongs to the statement behind its last word: all up to a final semicolon.
fn rest_of_statement(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b';' => return at,
            b'\'' | b'"' | b'`' => at += quoted(&rest[at..]),
            b'-' if rest[at..].starts_with(b"--") => at += line(&rest[at..]),
            b'(' | b'[' | b'{' => at += nested(&rest[at..]),
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insert_with_data_becomes_a_file_insert() {
        let sql = b"INSERT INTO `a b`(`format`, x) SETTINGS k = 'FORMAT CSV' FORMAT RowBinary\n \n\x00";
        let insert = InsertData::find(sql).unwrap();
        assert_eq!(
            insert.reading_file("/f", None),
            "INSERT INTO `a b`(`format`, x)  FROM INFILE '/f' SETTINGS k = 'FORMAT CSV' FORMAT RowBinary"
        );
        assert_eq!(&sql[insert.data_at..], b" \n\x00", "only one line end belongs to the statement");
        let insert = InsertData::find(b"/* x */ insert into t -- format CSV\n format Native").unwrap();
        assert!(insert.reading_file("/f", Some("lz4")).contains("FROM INFILE '/f' COMPRESSION 'lz4' format Native"));
    }

    #[test]
    fn other_statements_are_left_alone() {
        for sql in [
            &b"SELECT 1 FORMAT CSV"[..],
            b"INSERT INTO t VALUES (1)",
            b"INSERT INTO t SELECT 1 FORMAT CSV",
            b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
            b"INSERT INTO t (a) ",
            b"",
            b"'unclosed",
            b"((((",
        ] {
            assert_eq!(InsertData::find(sql), None, "{}", String::from_utf8_lossy(sql));
        }
    }

    #[test]
    fn the_output_format_is_the_last_clause() {
        assert_eq!(output_format(b"SELECT 'FORMAT x' FORMAT JSON").as_deref(), Some("JSON"));
        assert_eq!(output_format(b"SELECT (SELECT 1 FORMAT x)"), None);
        assert_eq!(output_format(b"SELECT 1 -- FORMAT x"), None);
    }

    #[test]
    fn rows_go_into_a_file() {
        let into = |sql: &str| {
            let outlet = Outlet { path: "/f".into(), coding: Some("zstd"), mark: "m".into() };
            let sql = into_file(sql.as_bytes(), &outlet, "TSV")?;
            Some(String::from_utf8(sql).unwrap().replace('\n', " ").replace("  ", " "))
        };
        let file = "INTO OUTFILE '/f' TRUNCATE COMPRESSION 'zstd' /* m */";
        for (sql, expected) in [
            ("SELECT 1", "SELECT 1 {} FORMAT TSV"),
            ("SELECT f(1);", "SELECT f(1) {} FORMAT TSV"),
            ("SELECT ';' -- x", "SELECT ';' -- x {} FORMAT TSV"),
            ("select 1 format JSON settings x=1", "select 1 {} format JSON settings x=1"),
            ("SELECT 1 SETTINGS x=1", "SELECT 1 SETTINGS x=1 {} FORMAT TSV"),
            ("(SELECT 1)", "(SELECT 1) {} FORMAT TSV"),
            ("SHOW TABLES FORMAT CSV", "SHOW TABLES {} FORMAT CSV"),
        ] {
            assert_eq!(into(sql).unwrap(), expected.replace("{}", file), "{sql}");
        }
        for sql in ["CREATE TABLE t (a Int8)", "SELECT 1 INTO OUTFILE 'x'", "DROP TABLE t", "", "SYSTEM STOP MERGES"] {
            assert_eq!(into(sql), None, "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let outlet = Outlet { path: "/f".into(), coding: None, mark: "m".into() };
            let _any = (InsertData::find(&text), output_format(&text), into_file(&text, &outlet, "TSV"));
        }
    }
}
