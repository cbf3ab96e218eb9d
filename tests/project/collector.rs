//! A collector of traces on this machine: takes OTLP over HTTP and keeps what it was sent.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// A span, its resource and its scope.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) span: Span,
    pub(crate) service: String,
}

#[derive(Debug, Default)]
struct Kept {
    sent: Vec<Sent>,
    headers: Vec<HashMap<String, String>>,
}

#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Collector {
    /// Listens as long as the process lives.
    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shared = Arc::clone(&kept);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&shared);
                thread::spawn(move || serve(&stream, &kept));
            }
        });
        Self { address, kept }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn spans(&self) -> Vec<Sent> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).sent.clone()
    }

    /// The headers of each request.
    pub(crate) fn headers(&self) -> Vec<HashMap<String, String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).headers.clone()
    }
}

fn serve(stream: &TcpStream, kept: &Mutex<Kept>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        if reader.read_line(&mut head).unwrap_or_default() == 0 {
            return;
        }
        let mut headers = HashMap::from([("".to_owned(), head.trim().to_owned())]);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers["content-length"].parse().expect("a length");
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let request = ExportTraceServiceRequest::decode(&*body).expect("what OTLP says");
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        for group in request.resource_spans {
            let attributes = group.resource.iter().flat_map(|resource| &resource.attributes);
            let named = attributes.filter(|attribute| attribute.key == "service.name");
            let service =
                named.filter_map(|attribute| attribute.value.as_ref()?.value.as_ref()).map(text).collect::<String>();
            let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.sent.extend(spans.map(|span| Sent { span, service: service.clone() }));
        }
        kept.headers.push(headers);
        drop(kept);
        let mut writer = stream;
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

impl Sent {
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        let found = self.span.attributes.iter().find(|attribute| attribute.key == key)?;
        Some(text(found.value.as_ref()?.value.as_ref()?))
    }
}
