//! The signing test suite that AWS's runtime libraries share. It lies inside the sources of crate `aws-sigv4`, which is a
//! dependency of these tests, and is read from there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::super::keys::derive;
use super::*;

/// Cases of the suite, so that a case which is not found is noticed.
const CASES: usize = 40;

/// Where cargo keeps the sources of `aws-sigv4`.
fn suite() -> PathBuf {
    let output = |program: &str, arguments: &[&str]| {
        let run = Command::new(program)
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output();
        let run = run.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
        assert!(
            run.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
        String::from_utf8(run.stdout).unwrap()
    };
    let host = output("rustc", &["--print", "host-tuple"]);
    let metadata = output(
        env!("CARGO"),
        &[
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            host.trim(),
        ],
    );
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|package| package["name"] == "aws-sigv4")
        .expect("aws-sigv4 is a dev-dependency");
    let suite = Path::new(package["manifest_path"].as_str().unwrap())
        .with_file_name("aws-signing-test-suite");
    assert!(
        suite.is_dir(),
        "{} is missing: this release of aws-sigv4 has no test suite",
        suite.display()
    );
    suite.join("v4")
}

/// A request as the suite writes it, which not every HTTP library would accept.
struct Example {
    method: String,
    target: String,
    headers: HeaderMap,
    body: String,
}

impl Example {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap().replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        // An HTTP parser joins folded lines and takes the space from both ends of a value.
        let mut lines = head
            .split('\n')
            .fold(Vec::<String>::new(), |mut lines, line| {
                match lines.last_mut() {
                    Some(last) if line.starts_with(' ') => last.push_str(line),
                    _ => lines.push(line.to_owned()),
                }
                lines
            });
        let request_line = lines.remove(0);
        let (method, rest) = request_line.split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap_or(rest);
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        Self {
            method: method.into(),
            target: target.into(),
            headers,
            body: body.into(),
        }
    }

    fn head(&self) -> Head<'_> {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        Head {
            method: &self.method,
            path,
            query,
            authority: None,
            headers: &self.headers,
        }
    }

    fn canonical(&self) -> String {
        let head = self.head();
        let claim = Claim::parse(&head).unwrap();
        let hash = check_body(&head, self.body.as_bytes()).unwrap();
        let mut canonical = Vec::new();
        head.write_canonical(claim.signed(), &hash, &mut |piece| {
            canonical.extend_from_slice(piece);
        });
        String::from_utf8(canonical).unwrap()
    }
}

#[test]
fn every_case_of_the_suite_verifies() {
    let directories: BTreeSet<PathBuf> = fs::read_dir(suite())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(directories.len(), CASES);
    for directory in directories {
        check_case(&directory);
    }
}

fn check_case(directory: &Path) {
    let name = directory.file_name().unwrap().to_str().unwrap();
    let read = |file: &str| {
        fs::read_to_string(directory.join(file))
            .unwrap()
            .replace("\r\n", "\n")
    };
    let example = Example::read(&directory.join("header-signed-request.txt"));
    let canonical = example.canonical();
    let expected = read("header-canonical-request.txt");
    if name.starts_with("double-") {
        // Older cases whose files disagree about date and content: only how they escape the target is meant.
        let target = |text: &str| text.lines().take(3).map(String::from).collect::<Vec<_>>();
        return assert_eq!(target(&canonical), target(&expected), "{name}");
    }
    let context: Value = serde_json::from_str(&read("context.json")).unwrap();
    // Only S3 signs paths as they come; for us such a request is one whose path was changed.
    if context["normalize"] == false && canonical != expected {
        assert!(
            example.target.contains("//") || example.target.contains("/."),
            "{name}"
        );
        return;
    }
    assert_eq!(canonical, expected, "{name}");
    check_signature(
        name,
        &example,
        &context,
        &canonical,
        &read("header-string-to-sign.txt"),
    );
}

fn check_signature(
    name: &str,
    example: &Example,
    context: &Value,
    canonical: &str,
    string_to_sign: &str,
) {
    use hmac::Mac as _;

    let head = example.head();
    let claim = Claim::parse(&head).unwrap();
    let hash = hex(&Sha256::digest(canonical));
    let text = format!("{ALGORITHM}\n{}\n{}\n{hash}", claim.stamp, claim.scope);
    assert_eq!(text, string_to_sign, "{name}");
    let secret = context["credentials"]["secret_access_key"]
        .as_str()
        .unwrap();
    let mut mac = derive(secret, claim.day, claim.region, claim.service);
    mac.update(text.as_bytes());
    assert_eq!(
        hex(&mac.finalize().into_bytes()),
        hex(&claim.signature),
        "{name}"
    );
    // A token that is added after signing is the one case of the suite that we refuse: it is a header nobody vouches for.
    assert_eq!(
        claim.check_signed(&head).is_err(),
        name == "post-sts-header-after",
        "{name}"
    );
}
