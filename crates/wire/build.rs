//! Generates the Rust side of the contract, without protoc.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 9] = [
    "strata/v1/placement.proto",
    "strata/v1/strategic.proto",
    "strata/v1/tactical.proto",
    "strata/v1/operational.proto",
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

    // Source info carries the comments, which is what `grpcurl describe` shows.
    let mut compiler = protox::Compiler::new([&proto])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .codec_path("crate::codec::Codec")
        // Tensors are read where they arrived and sent where they were made, without a copy.
        .bytes(".inference.ModelInferRequest.raw_input_contents")
        .bytes(".inference.ModelInferResponse.raw_output_contents")
        // Requests travel through queues and tasks: what they hold inline is copied at each step.
        .boxed(".strata.v1.SelectRequest.facts")
        .boxed(".strata.v1.PlaceRequest.facts")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
