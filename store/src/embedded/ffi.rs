//! The only unsafe code of this crate: libchdb's C interface, anonymous files, and what a child must do between fork
//! and exec.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    fs::File,
    io,
    net::TcpListener,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::Command,
};

use libloading::Library;

use super::EmbeddedError;

/// What libchdb calls `chdb_connection`: a pointer to a struct we never look into.
type Connection = *mut c_void;
/// What libchdb calls `chdb_result *`.
type ResultPtr = *mut c_void;

type Connect = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Connection;
type CloseConn = unsafe extern "C" fn(*mut Connection);
type QueryWithParams = unsafe extern "C" fn(
    Connection,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> ResultPtr;
type DestroyResult = unsafe extern "C" fn(ResultPtr);
type ResultBuffer = unsafe extern "C" fn(ResultPtr) -> *mut c_char;
type ResultLength = unsafe extern "C" fn(ResultPtr) -> usize;
type ResultNumber = unsafe extern "C" fn(ResultPtr) -> u64;
type ResultError = unsafe extern "C" fn(ResultPtr) -> *const c_char;
type SetSignalHandlers = unsafe extern "C" fn(c_int);

/// libchdb, loaded for the life of the process: its threads make unloading it impossible.
pub(super) struct Engine {
    connect: Connect,
    close: CloseConn,
    query: QueryWithParams,
    destroy: DestroyResult,
    buffer: ResultBuffer,
    length: ResultLength,
    result_rows: ResultNumber,
    read_rows: ResultNumber,
    read_bytes: ResultNumber,
    written_rows: ResultNumber,
    written_bytes: ResultNumber,
    error: ResultError,
    /// `--path=…`, the one data folder this process may open.
    path_arg: CString,
}

impl Engine {
    /// Loads the library and opens `data_dir` with a first session. Keep that session: closing the last one shuts the
    /// engine down.
    pub(super) fn open(library: &Path, data_dir: &Path) -> Result<(&'static Self, Session), EmbeddedError> {
        let failed =
            |reason: String| EmbeddedError::Library { path: library.to_owned(), reason: reason.replace('\n', " ") };
        if !library.is_file() {
            return Err(failed("no such file".to_owned()));
        }
        // SAFETY: libchdb's initialisers only set up its own globals. It is never unloaded.
        let loaded: &'static Library =
            Box::leak(Box::new(unsafe { Library::new(library) }.map_err(|error| failed(error.to_string()))?));

        fn symbol<T: Copy + 'static>(loaded: &'static Library, name: &str) -> Result<T, String> {
            // SAFETY: every call below names the C type that chdb.h of 26.x gives this symbol.
            unsafe { loaded.get::<T>(name.as_bytes()) }.map(|found| *found).map_err(|error| error.to_string())
        }
        let path_arg = CString::new(format!("--path={}", data_dir.display()))
            .map_err(|_| failed("the data folder's name holds a zero byte".to_owned()))?;
        let load = || -> Result<Self, String> {
            Ok(Self {
                connect: symbol(loaded, "chdb_connect")?,
                close: symbol(loaded, "chdb_close_conn")?,
                query: symbol(loaded, "chdb_query_with_params_n")?,
                destroy: symbol(loaded, "chdb_destroy_query_result")?,
                buffer: symbol(loaded, "chdb_result_buffer")?,
                length: symbol(loaded, "chdb_result_length")?,
                result_rows: symbol(loaded, "chdb_result_rows_read")?,
                read_rows: symbol(loaded, "chdb_result_storage_rows_read")?,
                read_bytes: symbol(loaded, "chdb_result_storage_bytes_read")?,
                written_rows: symbol(loaded, "chdb_result_rows_written")?,
                written_bytes: symbol(loaded, "chdb_result_bytes_written")?,
                error: symbol(loaded, "chdb_result_error")?,
                path_arg,
            })
        };
        let set_signal_handlers: SetSignalHandlers =
            symbol(loaded, "chdb_set_signal_handlers_enabled").map_err(&failed)?;
        let engine: &'static Self = Box::leak(Box::new(load().map_err(&failed)?));
        // SAFETY: as chdb.h asks, before the first connection. SIGTERM stays ours.
        unsafe { set_signal_handlers(0) };
        Ok((engine, engine.session()?))
    }

    /// A session of its own: settings and the current database do not reach other sessions. Takes about 0.1 ms.
    pub(super) fn session(&'static self) -> Result<Session, EmbeddedError> {
        let mut args =
            [c"clickhouse".as_ptr().cast_mut(), self.path_arg.as_ptr().cast_mut(), std::ptr::null_mut::<c_char>()];
        // SAFETY: two arguments, zero-terminated, and a null behind them as in main(); the engine copies them.
        let handle = unsafe { (self.connect)(2, args.as_mut_ptr()) };
        // SAFETY: chdb_connect gives null or a pointer to a connection that lives until it is closed.
        if handle.is_null() || unsafe { *handle }.is_null() {
            return Err(EmbeddedError::Open);
        }
        Ok(Session { engine: self, handle })
    }
}

/// One session of the engine. One query at a time.
pub(super) struct Session {
    engine: &'static Engine,
    handle: *mut Connection,
}

// SAFETY: chdb.h: a connection may be used from any thread, one statement at a time; `run` takes `&mut self`.
unsafe impl Send for Session {}

impl Session {
    /// Runs one statement with bound parameters (values in ClickHouse's escaped text form).
    pub(super) fn run(&mut self, sql: &[u8], format: &str, params: &[(String, String)]) -> Result<Output, String> {
        let column = |pick: fn(&(String, String)) -> &str| -> (Vec<*const c_char>, Vec<usize>) {
            params.iter().map(|param| (pick(param).as_ptr().cast(), pick(param).len())).unzip()
        };
        let (names, name_lengths) = column(|param| &param.0);
        let (values, value_lengths) = column(|param| &param.1);
        let engine = self.engine;
        // SAFETY: the handle is open until drop; every pointer comes with its length and outlives the call.
        let result = unsafe {
            (engine.query)(
                *self.handle,
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                params.len(),
            )
        };
        if result.is_null() {
            return Err("Code: 1002. DB::Exception: the engine gave no result. (UNKNOWN_EXCEPTION)".to_owned());
        }
        let output = Output { engine, result };
        // SAFETY: the result is alive; the text is zero-terminated and lives as long as the result.
        let error = unsafe { (engine.error)(result) };
        if error.is_null() {
            Ok(output)
        } else {
            // SAFETY: as above. The counters of a failed result are garbage and never read.
            Err(unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned())
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: opened by chdb_connect and closed once.
        unsafe { (self.engine.close)(self.handle) };
    }
}

/// The answer of one statement; its bytes stay where the engine put them.
pub(super) struct Output {
    engine: &'static Engine,
    result: ResultPtr,
}

// SAFETY: a finished result is plain memory that nothing changes.
unsafe impl Send for Output {}
// SAFETY: as above; all reads are through `&self` of constant data.
unsafe impl Sync for Output {}

impl Output {
    /// Counters as the HTTP interface words them.
    pub(super) fn summary(&self) -> String {
        let engine = self.engine;
        // SAFETY: the result is alive and is no error.
        let number = |of: ResultNumber| unsafe { of(self.result) };
        format!(
            concat!(
                r#"{{"read_rows":"{}","read_bytes":"{}","written_rows":"{}","#,
                r#""written_bytes":"{}","result_rows":"{}","result_bytes":"{}"}}"#
            ),
            number(engine.read_rows),
            number(engine.read_bytes),
            number(engine.written_rows),
            number(engine.written_bytes),
            number(engine.result_rows),
            self.as_ref().len(),
        )
    }
}

impl AsRef<[u8]> for Output {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: buffer and length belong together and live until the result is destroyed in drop.
        unsafe {
            let (buffer, length) = ((self.engine.buffer)(self.result), (self.engine.length)(self.result));
            if buffer.is_null() || length == 0 { &[] } else { std::slice::from_raw_parts(buffer.cast(), length) }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // SAFETY: made by the engine and destroyed once.
        unsafe { (self.engine.destroy)(self.result) };
    }
}

/// An anonymous file in memory, for handing the body of an INSERT to the engine by path.
pub(super) fn memory_file() -> io::Result<File> {
    // SAFETY: the name is zero-terminated; the descriptor returned is new and ours alone.
    let fd = unsafe { libc::memfd_create(c"insert-body".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: see above.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// The path under which the engine can open `file` anew, from its start.
pub(super) fn path_of(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Takes over the listening socket that the parent left open under this number.
pub(super) fn inherited_listener(fd: RawFd) -> io::Result<TcpListener> {
    // SAFETY: F_GETFD reads flags; a number that is not open gives an error.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the parent opened it for us and nothing else in this process knows its number.
    let listener = unsafe { TcpListener::from_raw_fd(fd) };
    listener.local_addr()?;
    Ok(listener)
}

/// Makes `command` inherit `listener` under its number, and die with the thread that spawns it.
pub(super) fn tie_to_parent(command: &mut Command, listener: &TcpListener) {
    let fd = listener.as_raw_fd();
    // SAFETY: getpid has no preconditions.
    let parent = unsafe { libc::getpid() };
    // SAFETY: between fork and exec only async-signal-safe calls: prctl, getppid and fcntl.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before prctl: then nobody will ever tell.
            if libc::getppid() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            let flags = libc::fcntl(fd, libc::F_GETFD);
            if flags < 0 || libc::fcntl(fd, libc::F_SETFD, flags & !libc::FD_CLOEXEC) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// Asks a child to end. `pid` must be a child that has not been waited for, so that the number cannot be another's.
pub(super) fn terminate(pid: u32) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: kill has no memory preconditions; a child not yet waited for keeps its number.
        let _gone_already = unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}
