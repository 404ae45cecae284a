//! What a node says about itself in figures: metrics in the Prometheus format. Logs are started by the binary.
//!
//! Metric names are `quorate_*` with base units; histograms have fixed buckets, so that they can be added up over nodes.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::clock;

/// Seconds, from a read out of memory to a call's whole time.
const SECONDS: [f64; 17] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];
/// Bytes, from a heartbeat to a large snapshot.
const BYTES: [f64; 8] = [
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    1_048_576.0,
    16_777_216.0,
    268_435_456.0,
];
/// Everything else is a count: entries in a batch, asks in a plan.
const COUNTS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

/// Telemetry that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Metrics were set up before, or the buckets are wrong.
    #[error("set up metrics")]
    Metrics(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    process: Arc<Process>,
}

impl Metrics {
    /// Starts collecting, for the whole process. Once per process.
    pub fn start() -> Result<Self, TelemetryError> {
        let recorder = recorder().map_err(|error| TelemetryError::Metrics(error.into()))?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder)
            .map_err(|error| TelemetryError::Metrics(error.to_string().into()))?;
        describe();
        Ok(Self {
            handle,
            process: Arc::new(Process::begin()),
        })
    }

    /// Metrics that nothing records to, for tests of what shows them.
    #[cfg(test)]
    pub(crate) fn unregistered() -> Self {
        let handle = recorder().expect("the buckets are constants").handle();
        Self {
            handle,
            process: Arc::new(Process::begin()),
        }
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> String {
        self.process.record();
        self.handle.render()
    }

    /// Folds recorded samples into buckets; to be called every few seconds, or they pile up until the next scrape.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &BYTES)?
        .set_buckets(&COUNTS)?
        .build_recorder();
    Ok(recorder)
}

fn describe() {
    describe_gauge!(
        "quorate_build_info",
        "Always 1; its labels say what is running."
    );
    gauge!("quorate_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    describe_counter!(
        "quorate_api_requests_total",
        "Calls answered, by operation and HTTP status."
    );
    describe_histogram!(
        "quorate_api_request_duration_seconds",
        "From a request's head to its answer."
    );
    describe_gauge!("quorate_connections", "Open connections, by listener.");
    describe_counter!(
        "quorate_connections_refused_total",
        "Connections closed at once because of a limit."
    );
    describe_gauge!(
        "process_start_time_seconds",
        "When the process started, in Unix time."
    );
    describe_gauge!("process_resident_memory_bytes", "Memory in use.");
    describe_gauge!("process_open_fds", "Open file descriptors.");
    describe_gauge!("process_threads", "Threads.");
    describe_counter!(
        "process_cpu_seconds_total",
        "Whole seconds of CPU time used, in user and system mode."
    );
}

/// The figures that every Prometheus client library gives for its process.
struct Process {
    start: Duration,
}

impl Process {
    fn begin() -> Self {
        Self {
            start: Duration::from_millis(clock::wall().0),
        }
    }

    /// Reads the figures anew. A system without `/proc` simply lacks them.
    fn record(&self) {
        gauge!("process_start_time_seconds").set(self.start.as_secs_f64());
        if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
            gauge!("process_open_fds").set(descriptors.count() as f64);
        }
        let Some(stat) = fs::read_to_string("/proc/self/stat")
            .ok()
            .as_deref()
            .and_then(Stat::parse)
        else {
            return;
        };
        counter!("process_cpu_seconds_total")
            .absolute(stat.cpu_ticks / rustix::param::clock_ticks_per_second());
        gauge!("process_threads").set(stat.threads as f64);
        gauge!("process_resident_memory_bytes")
            .set((stat.resident_pages * rustix::param::page_size() as u64) as f64);
    }
}

/// The part of `/proc/self/stat` that is of use here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    resident_pages: u64,
}

impl Stat {
    /// Fields are counted from behind the command's name, which may hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // proc(5) counts from 1 and the command is the second field, so its field n is here n - 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use metrics::histogram;

    use super::*;

    #[test]
    fn durations_have_buckets_of_seconds() {
        let recorder = recorder().expect("the buckets are constants");
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            histogram!("quorate_api_request_duration_seconds", "op" => "RunTask").record(0.003);
        });
        let text = handle.render();
        assert!(
            text.contains(
                r#"quorate_api_request_duration_seconds_bucket{op="RunTask",le="0.0025"} 0"#
            ),
            "{text}"
        );
        assert!(
            text.contains(
                r#"quorate_api_request_duration_seconds_bucket{op="RunTask",le="0.005"} 1"#
            ),
            "{text}"
        );
    }

    #[test]
    fn a_process_knows_its_own_figures() {
        let recorder = recorder().expect("the buckets are constants");
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || Process::begin().record());
        let text = handle.render();
        for name in [
            "process_start_time_seconds",
            "process_resident_memory_bytes",
            "process_threads",
        ] {
            assert!(text.contains(&format!("\n{name} ")), "{text}");
        }
    }

    #[test]
    fn a_command_with_a_parenthesis_does_not_shift_the_fields() {
        let text = "7 (a) b) S 1 1 1 0 -1 4194560 1 2 3 4 50 60 0 0 20 0 9 0 100 2000 300 rest";
        assert_eq!(
            Stat::parse(text),
            Some(Stat {
                cpu_ticks: 110,
                threads: 9,
                resident_pages: 300
            })
        );
        assert_eq!(Stat::parse(""), None);
    }
}
