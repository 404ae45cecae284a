//! STS GetCallerIdentity: who the cluster takes us for. STS answers in XML, of which three texts are wanted.

use crate::answer::Answer;
use crate::error::ClientError;

/// The whole request; STS takes a form.
pub(crate) const FORM: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// Whom the cluster takes the caller for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account, twelve digits.
    pub account: String,
    /// The caller's ARN.
    pub arn: String,
    /// The caller's unique id.
    pub user_id: String,
}

/// Reads the three texts, or the error in the form that STS gives it.
pub(crate) fn parse(answer: Answer) -> Result<Identity, ClientError> {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let texts = (
        text_of(&body, "Account"),
        text_of(&body, "Arn"),
        text_of(&body, "UserId"),
    );
    if let (true, (Some(account), Some(arn), Some(user_id))) = (answer.status.is_success(), texts) {
        return Ok(Identity {
            account,
            arn,
            user_id,
        });
    }
    match (text_of(&body, "Code"), text_of(&body, "Message")) {
        (Some(code), message) if !answer.status.is_success() => Err(ClientError::Exception {
            code,
            message: message.unwrap_or_default(),
            status: answer.status.as_u16(),
            request_id: answer.request_id,
            fields: serde_json::Map::new(),
        }),
        _ => Err(answer.malformed()),
    }
}

/// The text between `<name>` and `</name>`. Enough for a fixed answer without attributes; not an XML parser.
fn text_of(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    Some(plain.iter().fold(text.to_owned(), |text, (entity, char)| {
        text.replace(entity, char)
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            endpoint: "http://node".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            request_id: "r-1".to_owned(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn an_identity_is_read() {
        let xml = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                   <Arn>arn:aws:iam::000000000000:user/a&amp;b</Arn><UserId>AK</UserId><Account>000000000000</Account>\
                   </GetCallerIdentityResult></GetCallerIdentityResponse>";
        let identity = parse(answer(200, xml)).unwrap();
        assert_eq!(
            (identity.account.as_str(), identity.user_id.as_str()),
            ("000000000000", "AK")
        );
        assert_eq!(identity.arn, "arn:aws:iam::000000000000:user/a&b");
    }

    #[test]
    fn a_refusal_is_an_exception() {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>";
        assert_eq!(
            parse(answer(403, xml)).unwrap_err().code(),
            Some("InvalidClientTokenId")
        );
        assert!(matches!(
            parse(answer(200, "<html/>")),
            Err(ClientError::Malformed { .. })
        ));
    }
}
