//! What the product logs goes into the trace, if the whole trace is wanted: it says why, where the trace says what.

use std::io;

use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::trace::Trace;

/// Of openraft only what it warns of: the trace shows its messages.
const WORTH_READING: &str = "debug,openraft=warn";

/// What takes the product's logs; of whom they are, each line says itself.
pub(super) fn into_trace(trace: &Trace) -> Dispatch {
    let lines = fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_writer(Lines(trace.clone()));
    let subscriber = tracing_subscriber::registry()
        .with(EnvFilter::new(WORTH_READING))
        .with(lines);
    Dispatch::new(subscriber)
}

struct Lines(Trace);

struct Line(Trace);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self.0.clone())
    }
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.log(String::from_utf8_lossy(bytes).trim_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
