//! What a node says of itself on its health port, asked without any HTTP library: one request, one short answer.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A paused process accepts connections and says nothing; a living one answers in milliseconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// An answer of the health port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The HTTP status: 200 or 503.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Asks for `path` at `address`.
///
/// # Errors
/// Where nothing answers in time, or not in HTTP.
pub async fn ask(address: &str, path: &str) -> io::Result<Health> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        // HTTP/1.0 has no chunks and ends the answer by closing the connection.
        stream
            .write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = timeout(ANSWER_LIMIT, exchange)
        .await
        .map_err(io::Error::from)??;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
}

fn parse(answer: &str) -> Option<Health> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    Some(Health {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let health =
            parse("HTTP/1.0 503 Service Unavailable\r\ndate: x\r\n\r\nno leader\n").unwrap();
        assert_eq!((health.status, health.body.as_str()), (503, "no leader\n"));
        assert_eq!(parse("hello"), None);
    }
}
