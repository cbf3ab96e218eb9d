//! A mail server on the loopback: SMTP with TLS from the start, by STARTTLS, or without; its certificate is made for
//! the test. It writes down each message, and how it came.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    Tls,
    StartTls,
    Clear,
}

/// A message, and how it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) is_encrypted: bool,
    /// What `AUTH PLAIN` said, in base64.
    pub(crate) account: Option<String>,
    pub(crate) envelope: Vec<String>,
    pub(crate) text: String,
}

pub(crate) struct MailServer {
    pub(crate) port: u16,
    /// The certificate to trust, in PEM.
    pub(crate) certificate: PathBuf,
    folder: tempfile::TempDir,
    got: Arc<Mutex<Vec<Message>>>,
}

impl MailServer {
    /// `refusals` is how many messages it refuses at first, for now.
    pub(crate) fn new(speech: Speech, refusals: usize) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("made");
        let folder = tempfile::tempdir().expect("a folder");
        let certificate = folder.path().join("certificate.pem");
        fs::write(&certificate, made.cert.pem()).expect("written");
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).expect("a key");
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate and its key");
        let config = Arc::new(config);
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&got);
        thread::spawn(move || {
            let mut refusals = refusals;
            for stream in listener.incoming().flatten() {
                // Whoever hangs up early is heard no further.
                if let Some(Some(message)) = serve(stream, speech, &config, &mut refusals) {
                    kept.lock().expect("no panic").push(message);
                }
            }
        });
        Self { port, certificate, folder, got }
    }

    pub(crate) fn got(&self) -> Vec<Message> {
        self.got.lock().expect("no panic").clone()
    }

    /// A certificate that is not its own.
    pub(crate) fn stranger(&self) -> PathBuf {
        let path = self.folder.path().join("stranger.pem");
        let made = rcgen::generate_simple_self_signed(["elsewhere".to_owned()]).expect("made");
        fs::write(&path, made.cert.pem()).expect("written");
        path
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(tcp: TcpStream, speech: Speech, config: &Arc<ServerConfig>, refusals: &mut usize) -> Option<Option<Message>> {
    let secure = |tcp| -> Option<Box<dyn Stream>> {
        let connection = ServerConnection::new(Arc::clone(config)).ok()?;
        Some(Box::new(StreamOwned::new(connection, tcp)))
    };
    if speech == Speech::Tls {
        return talk(secure(tcp)?, true, false, true, refusals).map(Result::ok);
    }
    let plain: Box<dyn Stream> = Box::new(tcp.try_clone().ok()?);
    match talk(plain, false, speech == Speech::StartTls, true, refusals)? {
        Ok(message) => Some(Some(message)),
        Err(Upgrade) => talk(secure(tcp)?, true, false, false, refusals).map(Result::ok),
    }
}

/// The client wants TLS from here on.
struct Upgrade;

/// One session: a message, or the wish to go on encrypted; nothing if the client went away.
fn talk(
    stream: Box<dyn Stream>,
    is_encrypted: bool,
    offers_tls: bool,
    greets: bool,
    refusals: &mut usize,
) -> Option<Result<Message, Upgrade>> {
    let mut stream = BufReader::with_capacity(1, stream);
    let mut message = Message { is_encrypted, account: None, envelope: Vec::new(), text: String::new() };
    let say = |stream: &mut BufReader<Box<dyn Stream>>, line: &str| {
        let stream = stream.get_mut();
        stream.write_all(line.as_bytes()).and_then(|()| stream.flush()).ok()
    };
    if greets {
        say(&mut stream, "220 here\r\n")?;
    }
    let mut is_kept = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return is_kept.then_some(Ok(message));
        }
        let line = line.trim_end();
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match &*word {
            "EHLO" if offers_tls => say(&mut stream, "250-here\r\n250 STARTTLS\r\n")?,
            "EHLO" => say(&mut stream, "250-here\r\n250 AUTH PLAIN\r\n")?,
            "STARTTLS" => {
                say(&mut stream, "220 go on\r\n")?;
                return Some(Err(Upgrade));
            }
            "AUTH" => {
                message.account = line.split(' ').nth(2).map(str::to_owned);
                say(&mut stream, "235 welcome\r\n")?;
            }
            "MAIL" | "RCPT" => {
                message.envelope.push(line.to_owned());
                say(&mut stream, "250 fine\r\n")?;
            }
            "DATA" => {
                say(&mut stream, "354 go on\r\n")?;
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).ok()?;
                    if line == ".\r\n" {
                        break;
                    }
                    message.text += &line;
                }
                if *refusals > 0 {
                    *refusals -= 1;
                    say(&mut stream, "451 come back later\r\n")?;
                } else {
                    is_kept = true;
                    say(&mut stream, "250 kept\r\n")?;
                }
            }
            "QUIT" => {
                // The client does not wait for the answer.
                let _ = say(&mut stream, "221 bye\r\n");
                return is_kept.then_some(Ok(message));
            }
            _ => say(&mut stream, "250 fine\r\n")?,
        }
    }
}
