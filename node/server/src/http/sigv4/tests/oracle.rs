//! Whatever AWS's own signer signs is accepted, and no change to what it signed is.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

fn path() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "",
        ".",
        "..",
        "a",
        "b%20c",
        "%2F",
        "~x",
        "%E1%88%B4",
        "a:b@c",
        "-_.",
        "%25",
    ]);
    prop::collection::vec(piece, 0..5).prop_map(|pieces| format!("/{}", pieces.join("/")))
}

fn query() -> impl Strategy<Value = String> {
    let word = || {
        select(vec![
            "a",
            "b",
            "A",
            "%20",
            "%E1%88%B4",
            "x-y",
            "~",
            "%2F",
            "1",
        ])
    };
    let pair = (word(), prop::option::of(word()))
        .prop_map(|(name, value)| value.map_or(name.to_owned(), |value| format!("{name}={value}")));
    prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"))
}

fn request() -> impl Strategy<Value = Request<Vec<u8>>> {
    let value = "[ -~]{0,12}";
    let header = (
        select(vec!["my-header", "x-amz-meta", "amz-sdk-request"]),
        value,
    );
    let headers = prop::collection::vec(header, 0..4);
    let method = select(vec!["POST", "GET", "PUT"]);
    let body = prop::collection::vec(any::<u8>(), 0..64);
    (method, path(), query(), headers, body).prop_map(|(method, path, query, headers, body)| {
        let uri = if query.is_empty() {
            path
        } else {
            format!("{path}?{query}")
        };
        let mut builder = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "quorate.test:6570");
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        builder
            .header("x-amz-target", "Service.Operation")
            .body(body)
            .unwrap()
    })
}

/// One change that means something else.
fn changed(mut request: Request<Vec<u8>>, kind: usize, place: Index) -> Request<Vec<u8>> {
    match kind {
        0 => request.body_mut().push(0),
        1 => *request.method_mut() = http::Method::DELETE,
        2 => drop(
            request
                .headers_mut()
                .insert("x-amz-target", HeaderValue::from_static("Service.Other")),
        ),
        3 => drop(
            request
                .headers_mut()
                .insert("host", HeaderValue::from_static("elsewhere.test")),
        ),
        4 => drop(
            request
                .headers_mut()
                .append("x-amz-meta", HeaderValue::from_static("more")),
        ),
        5 => *request.uri_mut() = format!("{}/deeper", request.uri().path()).parse().unwrap(),
        6 => *request.uri_mut() = format!("{}?z=more", request.uri().path()).parse().unwrap(),
        7 => drop(request.headers_mut().remove("x-amz-target")),
        _ => {
            let authorization = request.headers()["authorization"].to_str().unwrap();
            let mut bytes = authorization.as_bytes().to_vec();
            let index = bytes.len() - 64 + place.index(64);
            bytes[index] = if bytes[index] == b'0' { b'1' } else { b'0' };
            request
                .headers_mut()
                .insert("authorization", HeaderValue::from_bytes(&bytes).unwrap());
        }
    }
    request
}

proptest! {
    #[test]
    fn what_aws_signs_is_accepted(request in request(), states_hash in any::<bool>(), offset in -300_i64..=300) {
        let signer = Signer { states_hash, offset, ..Signer::default() };
        let verified = verify(&signer.sign(request));
        prop_assert!(verified.is_ok(), "{:?}", verified);
    }

    #[test]
    fn what_was_changed_is_refused(request in request(), kind in 0..9_usize, place in any::<Index>()) {
        let changed = changed(Signer::default().sign(request), kind, place);
        prop_assert!(verify(&changed).is_err(), "{:?}", changed);
    }

    #[test]
    fn no_header_makes_the_verifier_panic(
        authorization in "(AWS4-HMAC-SHA256 )?(Credential=[A-Z0-9/a-z_]{0,40},? ?)?(SignedHeaders=[a-z;-]{0,20},? ?)?[ -~]{0,80}",
        stamp in "[0-9]{8}T[0-9]{6}Z|[ -~]{0,20}",
    ) {
        let mut request = call("ListClusters", "{}");
        request.headers_mut().insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        request.headers_mut().insert("x-amz-date", HeaderValue::from_str(&stamp).unwrap());
        prop_assert!(verify(&request).is_err());
    }
}
