//! Generates the Rust code of the contract, without protoc.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 10] = [
    "strata/v1/placement.proto",
    "strata/v1/strategic.proto",
    "strata/v1/tactical.proto",
    "strata/v1/operational.proto",
    "strata/v1/catalogue.proto",
    "strata/v1/coordinator.proto",
    "strata/v1/models.proto",
    "strata/v1/releases.proto",
    "inference/model_config.proto",
    "inference/grpc_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let proto = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed={}", proto.display());

    // `grpcurl describe` shows the comments, which are part of the source info.
    let mut compiler = protox::Compiler::new([&proto])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .codec_path("crate::codec::Codec")
        // `Bytes` avoids a copy of tensors, both when they are received and when they are sent.
        .bytes(".inference.ModelInferRequest.raw_input_contents")
        .bytes(".inference.ModelInferResponse.raw_output_contents")
        // Boxed, because requests pass through queues and tasks, and each step copies inline
        // fields.
        .boxed(".strata.v1.SelectRequest.facts")
        .boxed(".strata.v1.PlaceRequest.facts")
        .boxed(".strata.v1.SelectRequest.candidates")
        .boxed(".strata.v1.PlaceRequest.candidates")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
