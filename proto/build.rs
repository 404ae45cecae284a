//! Compiles the `.proto` files with protox, a compiler in Rust, so that building Quorate needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/agent.proto", "proto/peer.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".quorate.peer.v1")
        .btree_map(".quorate.peer.v1")
        .compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
