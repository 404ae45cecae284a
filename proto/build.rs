//! Compiles the `.proto` files with protox, a compiler in Rust, so that building Quorate needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/agent.proto", "proto/peer.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".quorate.peer.v1")
        // Maps go out in the order of their keys: the same message is the same bytes, whoever made it.
        .btree_map(".")
        .compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
