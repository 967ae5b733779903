//! A server on a unix socket: served, guarded by its mode, and gone with the server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixture;

use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};

use fixture::{Client, echo, grpc_config};
use strata_chassis::{
    AdminConfig, ClientConfig, Drain, GrpcConfig, Metrics, Server, ServerError, Services,
    SocketMode, channel, report,
};

fn config(path: &Path) -> GrpcConfig {
    GrpcConfig { listen: format!("unix:{}", path.display()).parse().unwrap(), ..grpc_config() }
}

async fn bind(config: &GrpcConfig) -> Result<(Server, Drain), ServerError> {
    let drain = Drain::new(Duration::from_secs(30), Duration::ZERO);
    let admin = AdminConfig { listen: "127.0.0.1:0".parse().unwrap() };
    let metrics = Metrics::new(&fixture::BINARY);
    Server::bind(config, &admin, &metrics, &drain).await.map(|server| (server, drain))
}

async fn refusal(path: &Path) -> String {
    let error = bind(&config(path)).await.unwrap_err();
    report(&error).to_string()
}

#[tokio::test]
async fn calls_are_answered_and_the_file_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("echo.sock");
    let (server, drain) = bind(&config(&path)).await.unwrap();
    let endpoint = server.grpc_address().to_string();
    assert_eq!(endpoint, format!("unix:{}", path.display()));
    let services =
        Services::described_by(&[echo::descriptor_set()]).with(echo::Echo { drain: drain.clone() });
    let serving = tokio::spawn(server.serve(services));
    for endpoint in [endpoint, format!("unix://{}", path.display())] {
        let client = Client { channel: channel(&endpoint, &ClientConfig::default()).unwrap() };
        assert_eq!(client.say("hello").await.unwrap(), "hello");
    }
    drain.start();
    serving.await.unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn its_mode_says_who_may_connect() {
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let path = dir.path().join("closed.sock");
    let _closed = bind(&config(&path)).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    let path = dir.path().join("group.sock");
    let socket_mode = SocketMode::try_from("0660".to_owned()).unwrap();
    let _open = bind(&GrpcConfig { socket_mode, ..config(&path) }).await.unwrap();
    assert_eq!(mode(&path), 0o660);
}

#[tokio::test]
async fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("echo.sock");
    // As a process that was killed leaves it: the file is there, nobody listens.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (first, _) = bind(&config(&path)).await.unwrap();
    let error = refusal(&path).await;
    assert!(error.starts_with("grpc.listen unix:/") && error.contains("listens there"), "{error}");
    // Whoever took the place keeps it.
    std::fs::remove_file(&path).unwrap();
    let (_second, _) = bind(&config(&path)).await.unwrap();
    drop(first);
    assert!(path.exists());
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("precious");
    std::fs::write(&path, "text").unwrap();
    let error = refusal(&path).await;
    assert!(error.contains("no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
    let error = refusal(&dir.path().join("nowhere/echo.sock")).await;
    assert!(error.contains("No such file"), "{error}");
}
