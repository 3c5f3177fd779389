use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::spec::publisher::UrlDownload;
use serde_json::json;

use super::world::{JOBS, World, completed, job, only_execution};

/// A completed job whose archive came home; gives its id and the path of the archive.
async fn with_results(world: &World, archive: &'static [u8]) -> (String, String) {
    let node = world.join("n-1", &[], false).await;
    let id = world.submit(job("a", "ops")).await;
    let execution = only_execution(world, &id).await["ID"].as_str().unwrap().to_owned();
    let hash = world.blobs.put(bytes::Bytes::from_static(archive)).await.unwrap().0;
    let execution_id = ExecutionId::parse(&execution).unwrap();
    let published =
        UrlDownload::of_execution(&JobId::parse(&id).unwrap(), &execution_id, hash, archive.len() as u64)
            .to_config();
    world.observe(&node, 1, completed(&execution, Some(published), "")).await;
    let results = world.get(&format!("{JOBS}/{id}/results")).await.ok();
    let url = results["Items"][0]["Params"]["URL"].as_str().unwrap();
    let path = url
        .strip_prefix(&format!("http://{}", world.address()))
        .expect("a link to where the request came in");
    (id, path.to_owned())
}

#[tokio::test]
async fn results_are_fetched_whole_and_from_where_a_download_broke_off() {
    let world = World::start().await;
    let (_, path) = with_results(&world, b"0123456789").await;
    assert!(path.ends_with("/results.tar.gz"));
    let whole = world.get(&path).await;
    assert_eq!((whole.status, whole.body.as_slice()), (200, &b"0123456789"[..]));
    assert_eq!(
        (whole.headers["content-length"].as_str(), whole.headers["accept-ranges"].as_str()),
        ("10", "bytes")
    );
    let part = async |range: &str| world.send("GET", &path, &[("Range", range)], None).await;
    let rest = part("bytes=4-").await;
    assert_eq!((rest.status, rest.body.as_slice()), (206, &b"456789"[..]));
    assert_eq!(rest.headers["content-range"], "bytes 4-9/10");
    assert_eq!(part("bytes=2-3").await.body, b"23");
    let beyond = part("bytes=10-").await;
    assert_eq!((beyond.status, beyond.headers["content-range"].as_str()), (416, "bytes */10"));
}

#[tokio::test]
async fn what_has_no_results_says_so() {
    let world = World::start().await;
    let (id, path) = with_results(&world, b"x").await;
    assert_eq!(world.get(&path.replace("e-", "e-0")).await.status, 404);
    let service = world.submit(job("web", "service")).await;
    assert_eq!(world.get(&format!("{JOBS}/{service}/results")).await.status, 400);
    let running = world.submit(job("b", "ops")).await;
    assert_eq!(
        world.get(&format!("{JOBS}/{running}/results")).await.ok(),
        json!({"NextToken": "", "Items": []})
    );
    let execution = only_execution(&world, &running).await["ID"].as_str().unwrap().to_owned();
    let none = world.get(&format!("{JOBS}/{running}/executions/{execution}/results.tar.gz")).await.refusal();
    assert_eq!(none, (404, "NotFound".into(), format!("execution {execution} has no results to fetch")));
    assert_eq!(
        world.get(&format!("{JOBS}/{id}/executions")).await.ok()["Items"][0]["PublishedResult"]["Type"],
        "urlDownload"
    );
}
