//! Who calls: STS GetCallerIdentity, which every SDK and provider asks to learn the account.

use bytes::Bytes;
use serde::Serialize;

use super::render;

/// Whoever signed a call, as far as operations are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `arn:aws:iam::ACCOUNT:user/NAME`.
    pub arn: String,
    /// Twelve digits.
    pub account: String,
    /// The unique id beside the ARN.
    pub user_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Identity<'a> {
    account: &'a str,
    arn: &'a str,
    user_id: &'a str,
}

/// GetCallerIdentity.
pub(super) fn identity(caller: &Caller) -> Bytes {
    render::body(&Identity {
        account: &caller.account,
        arn: &caller.arn,
        user_id: &caller.user_id,
    })
}
