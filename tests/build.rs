//! Compiles the benchmark's view of etcd's API with protox, so that building the tests needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/etcd.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
