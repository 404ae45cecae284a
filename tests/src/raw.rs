//! Requests that no client of ours would send: each part is the story's to spoil, before or after it is signed. The
//! signature is made by AWS's own crate, the bytes go out by hand.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use quorate_chaos::cluster::{Cluster, REGION};
use serde_json::Value;

/// A refusal takes milliseconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A request in parts.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it goes.
    pub address: String,
    /// The key pair that signs it.
    pub keys: (String, String),
    /// The region it is signed for.
    pub region: String,
    /// When it says it was signed.
    pub time: SystemTime,
    /// Headers that are signed, besides `host` and `x-amz-date`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: String,
}

impl Request {
    /// A well-formed call of an ECS operation at a node.
    ///
    /// # Panics
    /// If the member is no node.
    #[must_use]
    pub fn ecs(cluster: &Cluster, node: &str, operation: &str, body: impl Into<Vec<u8>>) -> Self {
        let member = cluster.member(node).expect("the story names a member");
        let keys = &cluster.identity().key_pair;
        Self {
            address: member
                .addresses
                .as_ref()
                .expect("the member is a node")
                .api
                .clone(),
            keys: (keys.id.clone(), keys.secret.clone()),
            region: REGION.to_owned(),
            time: SystemTime::now(),
            headers: vec![
                (
                    "content-type".to_owned(),
                    "application/x-amz-json-1.1".to_owned(),
                ),
                ("x-amz-target".to_owned(), target(operation)),
            ],
            body: body.into(),
        }
    }

    /// Sends it as it is.
    ///
    /// # Panics
    /// If no HTTP answer comes.
    #[must_use]
    pub fn send(&self) -> Answer {
        self.send_spoiled(|_, _| {})
    }

    /// Signs it, lets the story spoil headers and body, and sends what is left.
    ///
    /// # Panics
    /// If no HTTP answer comes: every request, however bad, is answered.
    #[must_use]
    pub fn send_spoiled(
        &self,
        spoil: impl FnOnce(&mut Vec<(String, String)>, &mut Vec<u8>),
    ) -> Answer {
        let mut headers = self.signed();
        let mut body = self.body.clone();
        spoil(&mut headers, &mut body);
        exchange(&self.address, &headers, &body)
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    fn signed(&self) -> Vec<(String, String)> {
        let mut headers = vec![("host".to_owned(), self.address.clone())];
        headers.extend(self.headers.clone());
        let identity = Credentials::new(&self.keys.0, &self.keys.1, None, None, "tests").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ecs")
            .time(self.time)
            .settings(SigningSettings::default())
            .build()
            .expect("every parameter is given")
            .into();
        let url = format!("http://{}/", self.address);
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new("POST", &url, pairs, SignableBody::Bytes(&self.body))
            .expect("headers are text");
        let (instructions, _) = sign(request, &parameters)
            .expect("the request can be signed")
            .into_parts();
        let (signature, _) = instructions.into_parts();
        headers.extend(
            signature
                .iter()
                .map(|header| (header.name().to_owned(), header.value().to_owned())),
        );
        headers
    }
}

impl Answer {
    /// Name and message of the exception it is, without the name's namespace.
    ///
    /// # Panics
    /// If it is none, or lacks what every answer has.
    #[must_use]
    pub fn exception(&self) -> (String, String) {
        let body: Value =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let name = body["__type"]
            .as_str()
            .unwrap_or_else(|| panic!("no __type: {self:?}"));
        for header in ["x-amzn-requestid", "date"] {
            assert!(
                self.header(header).is_some_and(|value| !value.is_empty()),
                "{header} is missing: {self:?}"
            );
        }
        (
            name.rsplit('#').next().unwrap_or_default().to_owned(),
            body["message"].as_str().unwrap_or_default().to_owned(),
        )
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The value of `X-Amz-Target` for an ECS operation.
#[must_use]
pub fn target(operation: &str) -> String {
    format!("AmazonEC2ContainerServiceV20141113.{operation}")
}

fn exchange(address: &str, headers: &[(String, String)], body: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let mut head = "POST / HTTP/1.1\r\n".to_owned();
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!(
        "content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    ));
    stream.write_all(head.as_bytes())?;
    // A node may answer and close before it has read a body that is too large.
    let sent = stream.write_all(body);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    parse(&answer).ok_or_else(|| {
        read.err()
            .or(sent.err())
            .unwrap_or_else(|| io::ErrorKind::InvalidData.into())
    })
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Some(Answer {
        status,
        headers: headers.collect(),
        body: body.to_owned(),
    })
}
