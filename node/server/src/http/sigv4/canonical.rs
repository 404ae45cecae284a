//! The canonical form of a request: the one text that both sides hash, whatever a client, a proxy or a library did to
//! spacing, order and escapes on the way. It is written piece by piece into a sink, so that verifying builds no string.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::HOST;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// The part of a request before its body, as it came over the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// Still escaped as the client escaped it.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    /// HTTP/2's `:authority`, or that of an absolute request line.
    pub(crate) authority: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    pub(crate) fn of(parts: &'a http::request::Parts) -> Self {
        Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            authority: parts.uri.authority().map(http::uri::Authority::as_str),
            headers: &parts.headers,
        }
    }

    /// Whether the request has the header in the sense of a signature: HTTP/2 carries the host outside of the headers.
    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name) || (name == HOST && self.authority.is_some())
    }

    /// Writes the canonical request; `signed` are the names of the signed headers, sorted, and `body_hash` is in hex.
    pub(super) fn write_canonical<'s>(
        &self,
        signed: impl Iterator<Item = &'s str> + Clone,
        body_hash: &str,
        put: &mut impl FnMut(&[u8]),
    ) {
        put(self.method.as_bytes());
        put(b"\n");
        percent_encode(canonical_path(self.path).as_bytes(), RESERVED_IN_PATH)
            .for_each(|piece| put(piece.as_bytes()));
        put(b"\n");
        put_query(self.query, put);
        put(b"\n");
        for name in signed.clone() {
            put(name.as_bytes());
            put(b":");
            self.put_header(name, put);
            put(b"\n");
        }
        put(b"\n");
        for (index, name) in signed.enumerate() {
            if index > 0 {
                put(b";");
            }
            put(name.as_bytes());
        }
        put(b"\n");
        put(body_hash.as_bytes());
    }

    fn put_header(&self, name: &str, put: &mut impl FnMut(&[u8])) {
        let mut values = self.headers.get_all(name).iter().peekable();
        if let (None, Some(authority)) = (values.peek(), self.authority) {
            return put(authority.as_bytes());
        }
        for (index, value) in values.enumerate() {
            if index > 0 {
                put(b",");
            }
            put_trimmed(value.as_bytes(), put);
        }
    }
}

/// The path without empty, `.` and `..` segments (RFC 3986, 5.2.4, and doubled slashes too). Escapes stay as they are and
/// are escaped once more when written: every service but S3 wants the twice encoded path.
pub(crate) fn canonical_path(path: &str) -> Cow<'_, str> {
    if path.starts_with('/') && !path.contains("//") && !path.contains("/.") {
        return Cow::Borrowed(path);
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let is_directory = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    let end = if is_directory && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    Cow::Owned(format!("/{}{end}", segments.join("/")))
}

/// Pairs sorted by encoded name, then by encoded value; a pair without `=` has an empty value. A plus is a plus: in a
/// signature a space is always `%20`.
fn put_query(query: &str, put: &mut impl FnMut(&[u8])) {
    let recoded = |part: &str| -> String {
        let decoded: Cow<'_, [u8]> = percent_decode(part.as_bytes()).into();
        percent_encode(&decoded, RESERVED).collect()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (recoded(name), recoded(value)))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            put(b"&");
        }
        put(name.as_bytes());
        put(b"=");
        put(value.as_bytes());
    }
}

/// A header's value without spaces at the ends and with one where there were several.
fn put_trimmed(value: &[u8], put: &mut impl FnMut(&[u8])) {
    let words = value
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            put(b" ");
        }
        put(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_but_not_unescaped() {
        for (path, canonical) in [
            ("/", "/"),
            ("", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/a/..", "/"),
            ("/../../a", "/a"),
            ("/a/./b/../c", "/a/c"),
            ("/a/b/", "/a/b/"),
            ("/a/.", "/a/"),
            ("/a%2Fb/%2e%2e", "/a%2Fb/%2e%2e"),
            ("/.well-known/x", "/.well-known/x"),
        ] {
            assert_eq!(canonical_path(path), canonical, "{path}");
        }
    }

    #[test]
    fn queries_are_sorted_after_encoding() {
        for (query, canonical) in [
            ("", ""),
            ("b=2&a=1&a=0", "a=0&a=1&b=2"),
            ("flag&empty=", "empty=&flag="),
            ("a=x+y&b=x%20y", "a=x%2By&b=x%20y"),
            ("a=%7e&a=%7E", "a=~&a=~"),
            ("k=v=w", "k=v%3Dw"),
        ] {
            let mut out = Vec::new();
            put_query(query, &mut |piece| out.extend_from_slice(piece));
            assert_eq!(String::from_utf8(out).as_deref(), Ok(canonical), "{query}");
        }
    }

    #[test]
    fn spaces_in_a_header_are_single() {
        let mut out = Vec::new();
        put_trimmed(b"  a   \"b  c\" ", &mut |piece| {
            out.extend_from_slice(piece);
        });
        assert_eq!(out, b"a \"b c\"");
    }
}
