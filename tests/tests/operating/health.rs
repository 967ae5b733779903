//! Health and reflection, as tools use them.

use std::collections::BTreeSet;

use rustix::process::Signal;
use strata_tests::{Cluster, LAYERS, Process, Spec, eventually, get, shared_cluster};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const OIP: &str = "inference.GRPCInferenceService";

fn service(name: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: name.to_owned() }
}

/// The services of each process, besides health and reflection.
fn served(cluster: &Cluster) -> [(&Process, Vec<&'static str>); 4] {
    [
        (
            &cluster.coordinator,
            vec!["strata.v1.Catalogues", "strata.v1.Coordinator", "strata.v1.Releases"],
        ),
        (&cluster.strategic, vec!["strata.v1.Strategic", "strata.v1.Models", OIP]),
        (&cluster.tactical, vec!["strata.v1.Tactical", "strata.v1.Models", OIP]),
        (&cluster.operational, vec!["strata.v1.Operational", "strata.v1.Models", OIP]),
    ]
}

#[tokio::test]
async fn a_ready_process_says_so_for_itself_and_for_each_service() {
    let cluster = shared_cluster();
    for (process, services) in served(&cluster) {
        let mut client = HealthClient::new(process.channel());
        for name in services.into_iter().chain([""]) {
            let answer = client.check(service(name)).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{name}");
        }
        let status = client.check(service("strata.v1.Nothing")).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(get(process.admin(), "/livez").unwrap().status, 200);
        assert_eq!(get(process.admin(), "/readyz").unwrap().status, 200);
        assert_eq!(get(process.admin(), "/nothing").unwrap().status, 404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_begins_with_not_serving_and_ends_with_it() {
    let layers = LAYERS.map(Spec::new);
    let mut coordinator = Cluster::coordinator_of(&layers).set("SHUTDOWN_SETTLE", "2s").spawn();
    let admin = coordinator.admin();
    eventually("the admin server", || get(admin, "/livez"));
    let mut client = HealthClient::new(coordinator.channel());
    let mut watch = client.watch(service("")).await.unwrap().into_inner();
    let mut next = async || watch.message().await.unwrap().unwrap().status();
    // A process starts not ready; tonic-health alone would say that it serves.
    assert_eq!(next().await, ServingStatus::NotServing);
    let _layers = layers.map(|spec| spec.start());
    assert_eq!(next().await, ServingStatus::Serving);
    coordinator.signal(Signal::TERM);
    assert_eq!(next().await, ServingStatus::NotServing);
    assert_eq!(get(admin, "/livez").unwrap().status, 200);
    assert_eq!(coordinator.wait().code(), Some(0));
}

/// Tests of one version of reflection. Both versions have the same messages in different packages.
macro_rules! reflects {
    ($version:ident) => {
        mod $version {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };

            use super::*;

            async fn ask(process: &Process, question: MessageRequest) -> MessageResponse {
                let request = ServerReflectionRequest {
                    host: String::new(),
                    message_request: Some(question),
                };
                let mut client = ServerReflectionClient::new(process.channel());
                let stream = tokio_stream::iter([request]);
                let mut answers = client.server_reflection_info(stream).await.unwrap().into_inner();
                answers.message().await.unwrap().unwrap().message_response.unwrap()
            }

            #[tokio::test]
            async fn reflection_lists_the_services() {
                let cluster = shared_cluster();
                for (process, services) in served(&cluster) {
                    let question = MessageRequest::ListServices(String::new());
                    let MessageResponse::ListServicesResponse(list) = ask(process, question).await
                    else {
                        panic!("no list");
                    };
                    let found: BTreeSet<_> = list.service.into_iter().map(|s| s.name).collect();
                    let mut expected: BTreeSet<String> =
                        services.into_iter().map(str::to_owned).collect();
                    expected.extend(
                        [
                            "grpc.health.v1.Health",
                            "grpc.reflection.v1.ServerReflection",
                            "grpc.reflection.v1alpha.ServerReflection",
                        ]
                        .map(str::to_owned),
                    );
                    assert_eq!(found, expected);
                }
            }

            #[tokio::test]
            async fn reflection_describes_messages_with_their_comments() {
                use prost::Message;

                let cluster = shared_cluster();
                let symbol = "strata.v1.DecideRequest".to_owned();
                let question = MessageRequest::FileContainingSymbol(symbol);
                let MessageResponse::FileDescriptorResponse(files) =
                    ask(&cluster.coordinator, question).await
                else {
                    panic!("no file");
                };
                let bytes = files.file_descriptor_proto.first().unwrap();
                let file = prost_types::FileDescriptorProto::decode(bytes.as_slice()).unwrap();
                let messages: Vec<_> = file.message_type.iter().map(|m| m.name()).collect();
                assert!(messages.contains(&"DecideRequest"), "{messages:?}");
                let comments = file.source_code_info.unwrap().location;
                let said = |text: &str| {
                    comments.iter().any(|location| location.leading_comments().contains(text))
                };
                assert!(said("exactly 12"), "comments are what grpcurl describe shows");
            }
        }
    };
}

reflects!(v1);
reflects!(v1alpha);
