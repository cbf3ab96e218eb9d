//! The server over a socket: limits of connections, and an end in order.

use std::sync::Arc;
use std::time::Duration;

use outpost_api::{Settings, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::house::House;

async fn begun(header: Duration) -> (House, std::net::SocketAddr, oneshot::Sender<()>, JoinHandle<Result<(), String>>) {
    let house = House::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut settings = Settings::new(format!("http://{address}"));
    settings.server.header = header;
    let ends = async {
        stopped.await.ok();
    };
    let served = tokio::spawn(serve(Arc::clone(&house.desk), listener, settings, ends));
    (house, address, stop, served)
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_slow_head_is_cut_off_and_a_request_under_way_may_end() {
    let (house, address, stop, served) = begun(Duration::from_millis(200)).await;
    let (_, key) = house.tenant("ada").await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let cut = read(&mut slow).await;
    assert!(!cut.starts_with("HTTP/1.1 200"), "{cut}");

    let id = house.post("/v1/jobs", &key, crate::house::job()).await.is(202).text("id");
    let mut waits = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/jobs/{id}/logs?wait=20 HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n");
    waits.write_all(request.as_bytes()).await.unwrap();
    // Served once another one, which came later, was answered.
    let mut other = TcpStream::connect(address).await.unwrap();
    other.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read(&mut other).await.starts_with("HTTP/1.1 200 OK"));
    stop.send(()).unwrap();
    house.post(&format!("/v1/jobs/{id}/cancel"), &key, serde_json::json!({})).await.is(200);
    let told = read(&mut waits).await;
    assert!(told.starts_with("HTTP/1.1 200 OK") && told.contains("\"final\":true"), "{told}");
    assert_eq!(served.await.unwrap(), Ok(()));
    assert!(TcpStream::connect(address).await.is_err());
}
