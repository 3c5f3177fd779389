use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use super::*;

struct Proxy {
    directory: TempDir,
    refusals: mpsc::Receiver<String>,
    _egress: Egress,
}

fn proxy(domains: &[&str], reachable: fn(IpAddr) -> bool) -> Proxy {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("proxy")).unwrap();
    let domains = Domains::new(domains.iter().copied());
    let rules = Rules { domains, job_id: "j-1".to_owned(), reachable };
    let (egress, refusals) = Egress::open(listener, rules, &Clock::new(None));
    Proxy { directory, refusals, _egress: egress }
}

/// Everything the proxy answers to `request`.
async fn ask(proxy: &Proxy, request: &str) -> String {
    let mut stream = UnixStream::connect(proxy.directory.path().join("proxy")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A server for one connection: reads what `ends` with these bytes, answers, and hands out what it read.
async fn server(ends: &'static str, answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(ends.as_bytes()) {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "the client left too early");
        }
        stream.write_all(answer).await.unwrap();
        String::from_utf8(heard).unwrap()
    });
    (port, heard)
}

#[tokio::test]
async fn a_listed_host_gets_the_request_and_the_task_the_answer() {
    let (port, heard) = server("hello", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwelcome").await;
    let proxy = proxy(&["127.0.0.1"], |_| true);
    let request = format!("PUT http://127.0.0.1:{port}/a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
    assert!(ask(&proxy, &request).await.ends_with("\r\n\r\nwelcome"));
    let heard = heard.await.unwrap();
    assert!(
        heard.starts_with("PUT /a HTTP/1.1\r\n") && heard.contains("X-Bacalhau-Job-ID: j-1\r\n"),
        "{heard}"
    );
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways() {
    let (port, heard) = server("ping", b"pong").await;
    let proxy = proxy(&["localhost"], |_| true);
    let answer = ask(&proxy, &format!("CONNECT localhost:{port} HTTP/1.1\r\n\r\nping")).await;
    assert_eq!(answer, "HTTP/1.1 200 Connection established\r\n\r\npong");
    assert_eq!(heard.await.unwrap(), "ping");
}

#[tokio::test]
async fn a_second_request_on_the_connection_goes_nowhere() {
    let (port, heard) = server("\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n").await;
    let proxy = proxy(&["127.0.0.1"], |_| true);
    let one = format!("GET http://127.0.0.1:{port}/1 HTTP/1.1\r\n\r\n");
    ask(&proxy, &format!("{one}GET http://evil.org/2 HTTP/1.1\r\n\r\n")).await;
    assert!(!heard.await.unwrap().contains("evil"));
}

#[tokio::test]
async fn other_hosts_are_refused_and_told_once() {
    let mut proxy = proxy(&[".example.com"], |_| true);
    for _ in 0..3 {
        let answer = ask(&proxy, "CONNECT evil.org:443 HTTP/1.1\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.ends_with("evil.org is not among the domains of this job's network\n"), "{answer}");
    }
    let told = "Refused to connect to evil.org:443: evil.org is not among the domains of this job's network";
    assert_eq!(proxy.refusals.recv().await.unwrap(), told);
    assert!(proxy.refusals.try_recv().is_err());
}

#[tokio::test]
async fn the_node_itself_is_refused_whatever_name_leads_there() {
    let mut proxy = proxy(&["localhost"], is_outside);
    let answer = ask(&proxy, "GET http://localhost:4222/ HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("this node or its link"), "{answer}");
    assert!(proxy.refusals.recv().await.unwrap().contains("localhost:4222"));
}

#[tokio::test]
async fn bad_requests_get_an_answer() {
    let proxy = proxy(&["127.0.0.1"], |_| true);
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("POST http://127.0.0.1/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), "411"),
        (format!("GET http://127.0.0.1/{} HTTP/1.1", "x".repeat(request::MAX_HEAD_BYTES)), "431"),
        (format!("GET http://127.0.0.1:{unused}/ HTTP/1.1\r\n\r\n"), "502"),
    ] {
        let answer = ask(&proxy, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn ports_of_other_services_are_refused_and_told() {
    let mut proxy = proxy(&["example.com"], |_| true);
    let answer = ask(&proxy, "CONNECT example.com:25 HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("port 25 is refused"), "{answer}");
    assert!(proxy.refusals.recv().await.unwrap().contains("example.com:25: port 25"));
}
