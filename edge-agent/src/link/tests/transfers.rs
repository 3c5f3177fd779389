//! Streams beside the control stream, in both directions.

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::wire::stream::{HubRequest, NodeRequest, Reply, ReplyCode};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use sha2::{Digest, Sha256};

use super::super::message::{read, read_reply, write};
use super::*;

const BLOB: &[u8] = b"0123456789";

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn job() -> JobId {
    JobId::parse("j-1").unwrap()
}

fn found(bytes: &[u8]) -> Reply {
    Reply::Ok { size: bytes.len() as u64, hash: hash(bytes), signature: vec![9] }
}

/// The next request. The first stream is the control stream, which must stay open and says nothing here.
async fn request(connection: &Connection) -> (SendStream, RecvStream, HubRequest) {
    loop {
        let (writing, mut reading) = connection.accept_bi().await.unwrap();
        if writing.id().index() > 0 {
            let request = read(&mut reading).await.unwrap();
            return (writing, reading, request);
        }
        let connection = connection.clone();
        tokio::spawn(async move {
            connection.closed().await;
            drop((writing, reading));
        });
    }
}

#[tokio::test]
async fn a_blob_is_gone_on_with_after_a_cut() {
    let mut setup = Setup::welcomed();
    let (client, destination) = (setup.client.clone(), setup.path("blob"));
    let fetching = tokio::spawn(async move { client.fetch_blob(hash(BLOB), &destination).await });

    let first = setup.hub.accept().await;
    let (mut writing, _, asked) = request(&first).await;
    assert_eq!(asked, HubRequest::Blob { hash: hash(BLOB), offset: 0 });
    write(&mut writing, &found(BLOB)).await.unwrap();
    writing.write_all(&BLOB[..4]).await.unwrap();
    writing.finish().unwrap();
    writing.stopped().await.unwrap();
    first.close(VarInt::from_u32(0), b"");

    let second = setup.hub.accept().await;
    let (mut writing, _, asked) = request(&second).await;
    assert_eq!(asked, HubRequest::Blob { hash: hash(BLOB), offset: 4 });
    write(&mut writing, &found(BLOB)).await.unwrap();
    writing.write_all(&BLOB[4..]).await.unwrap();
    fetching.await.unwrap().unwrap();
    assert_eq!(std::fs::read(setup.path("blob")).unwrap(), BLOB);
    assert!(!setup.path("blob.part").exists());
}

#[tokio::test]
async fn what_an_earlier_process_fetched_is_not_fetched_again() {
    let mut setup = Setup::welcomed();
    std::fs::write(setup.path("blob.part"), &BLOB[..7]).unwrap();
    let (client, destination) = (setup.client.clone(), setup.path("blob"));
    let fetching = tokio::spawn(async move {
        tokio::try_join!(
            client.fetch_blob(hash(BLOB), &destination),
            client.fetch_blob(hash(BLOB), &destination)
        )
    });
    let connection = setup.hub.accept().await;
    let (mut writing, _, asked) = request(&connection).await;
    assert_eq!(asked, HubRequest::Blob { hash: hash(BLOB), offset: 7 });
    write(&mut writing, &found(BLOB)).await.unwrap();
    writing.write_all(&BLOB[7..]).await.unwrap();
    fetching.await.unwrap().unwrap();
    assert_eq!(std::fs::read(setup.path("blob")).unwrap(), BLOB);
}

#[tokio::test]
async fn other_bytes_than_asked_for_are_thrown_away() {
    let mut setup = Setup::welcomed();
    let (client, destination) = (setup.client.clone(), setup.path("blob"));
    let fetching = tokio::spawn(async move { client.fetch_blob(hash(BLOB), &destination).await });
    let connection = setup.hub.accept().await;
    let (mut writing, _, _) = request(&connection).await;
    write(&mut writing, &found(BLOB)).await.unwrap();
    writing.write_all(b"0123456780").await.unwrap();
    let error = fetching.await.unwrap().unwrap_err();
    assert!(matches!(error, RequestError::Mismatch { .. }), "{error}");
    assert!(!setup.path("blob").exists() && !setup.path("blob.part").exists());
}

#[tokio::test]
async fn a_refusal_is_final_and_a_giant_is_not_begun() {
    let mut setup = Setup::welcomed();
    let replies = [
        Reply::Refused { code: ReplyCode::NotFound, message: "no such blob".to_owned() },
        Reply::Ok { size: u64::MAX, hash: [0; 32], signature: Vec::new() },
    ];
    let connection = setup.hub.accept().await;
    let mut errors = Vec::new();
    for reply in replies {
        let (client, destination) = (setup.client.clone(), setup.path("blob"));
        let fetching = tokio::spawn(async move { client.fetch_blob(hash(BLOB), &destination).await });
        let (mut writing, _, _) = request(&connection).await;
        write(&mut writing, &reply).await.unwrap();
        errors.push(fetching.await.unwrap().unwrap_err().to_string());
    }
    assert_eq!(errors[0], "the control plane refused the request: no such blob");
    assert!(errors[1].contains("more than"), "{errors:?}");
}

#[tokio::test]
async fn an_artifact_comes_with_its_signature() {
    let mut setup = Setup::welcomed();
    let client = setup.client.clone();
    let fetching = tokio::spawn(async move { client.fetch_artifact([1; 32], "{}").await });
    let connection = setup.hub.accept().await;
    let (mut writing, _, asked) = request(&connection).await;
    assert_eq!(asked, HubRequest::Artifact { module: [1; 32], profile: "{}".to_owned() });
    write(&mut writing, &found(BLOB)).await.unwrap();
    writing.write_all(BLOB).await.unwrap();
    let artifact = fetching.await.unwrap().unwrap();
    assert_eq!(artifact, Artifact { bytes: BLOB.to_vec(), hash: hash(BLOB), signature: vec![9] });
}

#[tokio::test]
async fn results_are_sent_from_where_the_control_plane_stands() {
    let mut setup = Setup::welcomed();
    let (client, path) = (setup.client.clone(), setup.path("archive"));
    let size = ARCHIVE.len() as u64;
    let storing =
        tokio::spawn(async move { client.store_results(&job(), &execution(), &path, [7; 32], size).await });
    let connection = setup.hub.accept().await;
    let (mut writing, mut reading, asked) = request(&connection).await;
    assert_eq!(
        asked,
        HubRequest::StoreResults { job_id: job(), execution_id: execution(), hash: [7; 32], size }
    );
    write(&mut writing, &Reply::Ok { size: 3, hash: [7; 32], signature: Vec::new() }).await.unwrap();
    assert_eq!(reading.read_to_end(1000).await.unwrap(), &ARCHIVE[3..]);
    assert!(!storing.is_finished());
    write(&mut writing, &Reply::Ok { size, hash: [7; 32], signature: Vec::new() }).await.unwrap();
    storing.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_control_plane_reads_results_and_logs() {
    let mut setup = Setup::welcomed();
    let connection = setup.hub.accept().await;

    let (mut writing, mut reading) = connection.open_bi().await.unwrap();
    write(&mut writing, &NodeRequest::Results { execution_id: execution(), offset: 3 }).await.unwrap();
    let served = read_reply(&mut reading).await.unwrap();
    assert_eq!((served.size, served.hash), (ARCHIVE.len() as u64, [7; 32]));
    assert_eq!(reading.read_to_end(1000).await.unwrap(), &ARCHIVE[3..]);

    let (mut writing, mut reading) = connection.open_bi().await.unwrap();
    let logs = NodeRequest::Logs { execution_id: execution(), tail: false, follow: false };
    write(&mut writing, &logs).await.unwrap();
    read_reply(&mut reading).await.unwrap();
    let mut items = Vec::new();
    while items.last() != Some(&LogItem::End) {
        items.push(read::<LogItem>(&mut reading).await.unwrap());
    }
    let expected = [LogItem::Stdout(b"out".to_vec()), LogItem::Stderr(b"err".to_vec()), LogItem::End];
    assert_eq!(items, expected);
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_its_reason() {
    let mut setup = Setup::welcomed();
    let connection = setup.hub.accept().await;
    let (mut writing, mut reading) = connection.open_bi().await.unwrap();
    let unknown = ExecutionId::parse("e-2").unwrap();
    write(&mut writing, &NodeRequest::Results { execution_id: unknown, offset: 0 }).await.unwrap();
    let error = read_reply(&mut reading).await.err().unwrap();
    assert_eq!(error.to_string(), "refused: no such execution");
}
