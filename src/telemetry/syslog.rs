//! The log of the system: datagrams to `/dev/log`, in the form that journald and rsyslog take there (RFC 3164).
//!
//! A daemon that does not keep up is not waited for, one that comes back is found again.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use crate::blueprint::model::LogLevel;
use crate::engine::moment::timestamp;
use crate::run::Moment;

/// Where daemons listen.
const USUAL: &str = "/dev/log";
/// Names another place; tests have one of their own.
pub const PLACE: &str = "OUTPOST_SYSLOG";
/// Messages of programs that users run.
const FACILITY: u8 = 1;

#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Syslog {
    pub fn new() -> Self {
        let path = std::env::var_os(PLACE).filter(|path| !path.is_empty()).unwrap_or_else(|| USUAL.into());
        Self { path: path.into(), socket: None }
    }

    pub fn send(&mut self, at: Moment, level: LogLevel, text: &str) -> io::Result<()> {
        let datagram = datagram(at, level, text);
        if let Some(socket) = &self.socket {
            match socket.send(&datagram) {
                Ok(_) => return Ok(()),
                // To wait would be to delay the run.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => {}
            }
        }
        // It was begun anew, or never there.
        self.socket = None;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        socket.send(&datagram)?;
        self.socket = Some(socket);
        Ok(())
    }
}

impl Default for Syslog {
    fn default() -> Self {
        Self::new()
    }
}

fn datagram(at: Moment, level: LogLevel, text: &str) -> Vec<u8> {
    let severity = match level {
        LogLevel::Debug => 7,
        LogLevel::Info => 6,
        LogLevel::Warn => 4,
        LogLevel::Error => 3,
    };
    let priority = FACILITY * 8 + severity;
    let time = timestamp(at).to_zoned(jiff::tz::TimeZone::system()).strftime("%b %e %H:%M:%S").to_string();
    format!("<{priority}>{time} outpost-bp[{}]: {text}", std::process::id()).into_bytes()
}
