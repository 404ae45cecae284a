//! What crosses the boundary between a listener and the control plane: a [`Call`] goes in, an [`Answer`] comes out.
//! Nothing here knows HTTP, signatures or Raft.

use std::fmt;

use bytes::Bytes;
use tokio::time::Instant;

use crate::operations::exception::Exception;

/// One authenticated call of one operation, as the listener understood it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The AWS service whose operation is called.
    pub service: Service,
    /// The operation's name, such as `RunTask`. The service's model contains it.
    pub operation: String,
    /// The input as a JSON object. The listener has checked it: at most 1 MiB, at most 64 levels deep, no key twice in
    /// one object, and of the shape that the service model gives for the operation's input.
    pub body: Bytes,
    /// The id in the answer's `x-amzn-RequestId` and in every log line about this call.
    pub request_id: String,
    /// Who signed the call.
    pub principal: Principal,
    /// When the caller is told that time ran out; whatever is awaited for this call ends by then.
    pub deadline: Instant,
}

/// An AWS service that this control plane answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Amazon ECS, the reason why we are here.
    Ecs,
    /// AWS STS, of which clients need `GetCallerIdentity` to learn the account.
    Sts,
    /// Our own operations, such as `ListNodes`. They are signed for `ecs`; the prefix of their target tells them apart.
    Quorate,
}

impl Service {
    /// What stands before the dot in `X-Amz-Target` for our own operations.
    pub const QUORATE_TARGET_PREFIX: &str = "Quorate_20261122";

    /// The name in a signature's credential scope and in ARNs; of our own service, its name in the table of operations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Sts => "sts",
            Self::Quorate => "quorate",
        }
    }

    /// The service with this name in a credential scope, if we answer for it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ecs" => Some(Self::Ecs),
            "sts" => Some(Self::Sts),
            _ => None,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The verified identity behind a call. Only a listener that checked a signature makes one from outside data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who it is, as IAM would name it: `arn:aws:iam::ACCOUNT:user/NAME`.
    pub arn: String,
    /// The twelve digits of the account.
    pub account: String,
    /// The access key that signed; not a secret.
    pub access_key_id: String,
    /// The unique id that `GetCallerIdentity` returns beside the ARN.
    pub user_id: String,
}

/// The reply to a [`Call`], already rendered as JSON in the service's own shape. A listener whose caller speaks another
/// format translates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status: 200, or the exception's.
    pub status: u16,
    /// A JSON object: the operation's output, or the exception.
    pub body: Bytes,
}

impl Answer {
    /// A success with `body` as the operation's output.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            body: body.into(),
        }
    }
}

impl From<Exception> for Answer {
    fn from(exception: Exception) -> Self {
        Self {
            status: exception.status(),
            body: exception.render(),
        }
    }
}
