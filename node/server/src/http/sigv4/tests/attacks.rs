//! One test for each known way to get signature verification wrong.

use super::*;

fn with(mut request: Request<Vec<u8>>, name: &'static str, value: &str) -> Request<Vec<u8>> {
    request
        .headers_mut()
        .insert(name, HeaderValue::from_str(value).unwrap());
    request
}

fn and(mut request: Request<Vec<u8>>, name: &'static str, value: &str) -> Request<Vec<u8>> {
    request
        .headers_mut()
        .append(name, HeaderValue::from_str(value).unwrap());
    request
}

fn without(mut request: Request<Vec<u8>>, name: &'static str) -> Request<Vec<u8>> {
    request.headers_mut().remove(name);
    request
}

#[test]
fn an_unsigned_request_is_told_so() {
    assert_eq!(
        refusal(&call("ListClusters", "{}")),
        (
            Kind::MissingAuthenticationToken,
            "Missing Authentication Token".into()
        )
    );
}

#[test]
fn a_wrong_secret_gets_the_text_that_sdks_show() {
    let (kind, message) = refusal(
        &Signer {
            secret: "wrong",
            ..Signer::default()
        }
        .sign(call("ListClusters", "{}")),
    );
    assert_eq!(kind, Kind::InvalidSignature);
    assert!(message.starts_with(
        "The request signature we calculated does not match the signature you provided."
    ));
}

#[test]
fn an_unknown_key_is_unknown_whatever_its_signature() {
    for secret in ["wrong", "nobody", SECRET] {
        let signer = Signer {
            key: "AKIDNOBODY",
            secret,
            ..Signer::default()
        };
        let (kind, message) = refusal(&signer.sign(call("ListClusters", "{}")));
        assert_eq!(kind, Kind::UnrecognizedClient);
        assert_eq!(
            message,
            "The security token included in the request is invalid."
        );
    }
}

#[test]
fn the_strangers_secret_opens_nothing() {
    let empty = tampered(signed_call(), KEY, "");
    assert_eq!(refusal(&empty).0, Kind::IncompleteSignature);
}

#[test]
fn a_target_replayed_as_another_operation_is_refused() {
    let replayed = with(
        signed_call(),
        "x-amz-target",
        "AmazonEC2ContainerServiceV20141113.DeleteCluster",
    );
    assert_eq!(refusal(&replayed).0, Kind::InvalidSignature);
}

#[test]
fn an_unsigned_target_is_refused() {
    let unsigned = Signer::default().sign(without(call("", "{}"), "x-amz-target"));
    assert!(verify(&unsigned).is_ok());
    let replayed = with(
        unsigned,
        "x-amz-target",
        "AmazonEC2ContainerServiceV20141113.DeleteCluster",
    );
    assert_eq!(
        refusal(&replayed).1,
        "There were headers present in the request which were not signed: x-amz-target"
    );
}

#[test]
fn an_unsigned_content_type_is_refused() {
    let unsigned = Signer::default().sign(without(call("ListClusters", "{}"), "content-type"));
    let (kind, message) = refusal(&with(
        unsigned,
        "content-type",
        "application/x-amz-json-1.1",
    ));
    assert_eq!(kind, Kind::InvalidSignature);
    assert!(message.ends_with("content-type"));
}

#[test]
fn an_unsigned_host_is_refused() {
    let (_, message) = refusal(&tampered(
        signed_call(),
        "content-type;host;",
        "content-type;",
    ));
    assert_eq!(
        message,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    );
}

#[test]
fn an_unsigned_token_is_refused() {
    assert!(
        refusal(&with(signed_call(), "x-amz-security-token", "AQoD"))
            .1
            .ends_with("x-amz-security-token")
    );
}

#[test]
fn a_session_token_belongs_to_nobody_here() {
    let signer = Signer {
        token: Some("AQoDYXdzEPT"),
        ..Signer::default()
    };
    assert_eq!(
        refusal(&signer.sign(call("ListClusters", "{}"))).0,
        Kind::UnrecognizedClient
    );
}

#[test]
fn a_signature_in_the_query_is_refused_alone_and_beside_a_header() {
    for query in [
        "X-Amz-Signature=00",
        "x=1&X%2DAmz-Credential=a",
        "x-amz-algorithm",
    ] {
        let mut request = call("ListClusters", "{}");
        *request.uri_mut() = format!("/?{query}").parse().unwrap();
        assert_eq!(refusal(&request).0, Kind::IncompleteSignature);
        assert_eq!(
            refusal(&Signer::default().sign(request)).0,
            Kind::IncompleteSignature
        );
    }
}

#[test]
fn another_algorithm_is_refused() {
    for algorithm in [
        "AWS4-ECDSA-P256-SHA256",
        "AWS3",
        "Bearer",
        "aws4-hmac-sha256",
        "AWS4-HMAC-SHA256,",
    ] {
        let (kind, _) = refusal(&tampered(signed_call(), "AWS4-HMAC-SHA256", algorithm));
        assert_eq!(kind, Kind::IncompleteSignature, "{algorithm}");
    }
}

#[test]
fn the_body_is_hashed_as_received() {
    let mut request = signed_call();
    *request.body_mut() = b"{ }".to_vec();
    assert_eq!(refusal(&request).0, Kind::InvalidSignature);
}

#[test]
fn a_stated_body_hash_must_be_the_bodys() {
    let signer = Signer {
        states_hash: true,
        ..Signer::default()
    };
    let request = signer.sign(call("ListClusters", "{}"));
    assert!(verify(&request).is_ok());
    let mut other = request;
    *other.body_mut() = b"[]".to_vec();
    assert!(refusal(&other).1.contains("x-amz-content-sha256"));
}

#[test]
fn an_unsigned_body_is_refused() {
    for stated in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ] {
        let request = with(call("ListClusters", "{}"), "x-amz-content-sha256", stated);
        assert!(
            refusal(&Signer::default().sign(request))
                .1
                .starts_with("The body must be signed"),
            "{stated}"
        );
    }
}

#[test]
fn headers_that_decide_may_not_come_twice() {
    for name in ["authorization", "x-amz-date"] {
        let value = signed_call().headers()[name].to_str().unwrap().to_owned();
        let (kind, message) = refusal(&and(signed_call(), name, &value));
        assert_eq!(
            (kind, message),
            (
                Kind::IncompleteSignature,
                format!("The header '{name}' is in the request twice.")
            )
        );
    }
    let second = and(
        signed_call(),
        "x-amz-target",
        "AmazonEC2ContainerServiceV20141113.DeleteCluster",
    );
    assert_eq!(refusal(&second).0, Kind::InvalidSignature);
}

#[test]
fn signed_headers_must_be_there_sorted_and_once() {
    let absent = tampered(
        signed_call(),
        "content-type;host",
        "content-type;expect;host",
    );
    assert_eq!(
        refusal(&absent).1,
        "The signed header 'expect' is not in the request."
    );
    for list in [
        "host;content-type",
        "content-type;content-type;host",
        "Content-Type;host",
        "content-type;;host",
    ] {
        let (kind, _) = refusal(&tampered(signed_call(), "content-type;host", list));
        assert_eq!(kind, Kind::IncompleteSignature, "{list}");
    }
}

#[test]
fn spaces_in_headers_do_not_matter_but_words_do() {
    let signed = Signer::default().sign(with(call("ListClusters", "{}"), "my-header", "a b"));
    assert!(verify(&with(signed.clone(), "my-header", "  a    b ")).is_ok());
    assert!(verify(&with(signed, "my-header", "ab")).is_err());
}

#[test]
fn the_scope_is_ours() {
    let (_, region) = refusal(
        &Signer {
            region: "eu-west-1",
            ..Signer::default()
        }
        .sign(call("ListClusters", "{}")),
    );
    assert!(region.starts_with("Credential should be scoped to a valid region"));
    let (_, service) = refusal(
        &Signer {
            service: "s3",
            ..Signer::default()
        }
        .sign(call("ListClusters", "{}")),
    );
    assert!(service.starts_with("Credential should be scoped to correct service"));
    let (_, terminator) = refusal(&tampered(signed_call(), "aws4_request", "aws5_request"));
    assert!(terminator.starts_with("Credential should be scoped with a valid terminator"));
    let (_, day) = refusal(&tampered(signed_call(), "/20261122/", "/20261121/"));
    assert!(day.starts_with("Date in Credential scope does not match YYYYMMDD"));
}

#[test]
fn a_signature_for_one_service_is_not_for_another() {
    let request = Signer {
        service: "sts",
        ..Signer::default()
    }
    .sign(call("ListClusters", "{}"));
    assert_eq!(verify(&request).unwrap().service, Service::Sts);
    assert_eq!(
        refusal(&tampered(request, "/sts/", "/ecs/")).0,
        Kind::InvalidSignature
    );
}

#[test]
fn time_is_a_window_of_five_minutes() {
    let at = |offset| {
        Signer {
            offset,
            ..Signer::default()
        }
        .sign(call("ListClusters", "{}"))
    };
    assert!(verify(&at(-300)).is_ok() && verify(&at(300)).is_ok());
    assert_eq!(
        refusal(&at(-301)),
        (
            Kind::InvalidSignature,
            "Signature expired: 20261122T115459Z is now earlier than 20261122T115500Z (20261122T120000Z - 5 min.)".into()
        )
    );
    assert_eq!(
        refusal(&at(301)).1,
        "Signature not yet current: 20261122T120501Z is still later than 20261122T120500Z (20261122T120000Z + 5 min.)"
    );
}

#[test]
fn a_date_has_one_form() {
    for stamp in [
        "2026-11-22T12:00:00Z",
        "20261122T120000",
        "20261322T120000Z",
        "20261122T126000Z",
        "20261122t120000z",
        "",
    ] {
        assert_eq!(
            refusal(&with(signed_call(), "x-amz-date", stamp)).0,
            Kind::IncompleteSignature,
            "{stamp}"
        );
    }
    assert_eq!(
        refusal(&without(signed_call(), "x-amz-date")).0,
        Kind::IncompleteSignature
    );
}

#[test]
fn a_later_date_on_an_old_signature_is_refused() {
    assert_eq!(
        refusal(&with(signed_call(), "x-amz-date", "20261122T120100Z")).0,
        Kind::InvalidSignature
    );
}

#[test]
fn parts_of_the_header_must_be_complete_and_once() {
    for (from, to) in [
        ("Credential=", "Credentials="),
        (", Signature=", ", Signatur="),
        (
            "SignedHeaders=content-type;host;x-amz-date;x-amz-target",
            "SignedHeaders=",
        ),
        (
            "AWS4-HMAC-SHA256 ",
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, ",
        ),
        ("/aws4_request", "/extra/aws4_request"),
        ("/us-east-1/", "/"),
        ("Signature=", "Signature=00"),
    ] {
        assert_eq!(
            refusal(&tampered(signed_call(), from, to)).0,
            Kind::IncompleteSignature,
            "{from} -> {to}"
        );
    }
    let mut uppercase = signed_call();
    let authorization = uppercase.headers()["authorization"]
        .to_str()
        .unwrap()
        .to_owned();
    let (start, signature) = authorization.split_at(authorization.len() - 64);
    let shouted = format!("{start}{}F", &signature.to_uppercase()[..63]);
    uppercase
        .headers_mut()
        .insert("authorization", HeaderValue::from_str(&shouted).unwrap());
    assert_eq!(refusal(&uppercase).0, Kind::IncompleteSignature);
}

#[test]
fn the_host_may_come_as_http2_carries_it() {
    let request = signed_call();
    let (mut parts, body) = request.into_parts();
    parts.headers.remove("host");
    let mut head = Head::of(&parts);
    assert!(verifier().verify(&head, &body, now()).is_err());
    head.authority = Some("127.0.0.1:6570");
    assert!(verifier().verify(&head, &body, now()).is_ok());
    head.authority = Some("127.0.0.1:6580");
    assert!(verifier().verify(&head, &body, now()).is_err());
}

#[test]
fn errors_never_repeat_the_authorization() {
    for request in [
        tampered(signed_call(), "Credential=", "Credentials="),
        tampered(signed_call(), "Signature=", "Signature=00"),
        tampered(signed_call(), "AWS4-HMAC-SHA256", "Bearer"),
    ] {
        let authorization = request.headers()["authorization"]
            .to_str()
            .unwrap()
            .to_owned();
        let signature = &authorization[authorization.len() - 32..];
        assert!(!refusal(&request).1.contains(signature));
    }
}
