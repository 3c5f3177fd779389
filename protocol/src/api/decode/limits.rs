//! What a task may use: resources and time.

use super::TypeDefaults;
use crate::model::job::ResourcesText;
use crate::model::{JobType, Resources, Timeouts};
use crate::quantity::{self, InvalidQuantity};
use crate::spec::{Fields, Report};

/// Reads `Resources`; what is left out gets the default.
pub(super) fn resources(
    fields: &mut Fields<'_>,
    defaults: &TypeDefaults,
    report: &mut Report,
) -> (ResourcesText, Resources) {
    let path = fields.at("Resources");
    let mut written = ResourcesText::default();
    if let Some(mut fields) = fields.object("Resources", report) {
        written.cpu = quantity::compact(&fields.text("CPU", report));
        written.memory = quantity::compact(&fields.text("Memory", report));
        written.disk = quantity::compact(&fields.text("Disk", report));
        written.gpu = quantity::compact(&fields.text("GPU", report));
        fields.report_unknown(report);
    }
    fill(&mut written.cpu, &defaults.cpu);
    fill(&mut written.memory, &defaults.memory);
    fill(&mut written.disk, &defaults.disk);
    fill(&mut written.gpu, &defaults.gpu);
    let mut amount = |key: &str, text: &str, read: &dyn Fn(&str) -> Result<u64, InvalidQuantity>| {
        let amount = if text.is_empty() { Ok(0) } else { read(text) };
        amount.unwrap_or_else(|error| {
            report.error(format!("{path}.{key}"), format!("invalid resources: {error}"));
            0
        })
    };
    let resources = Resources {
        cpu_millis: amount("CPU", &written.cpu, &quantity::cpu_millis),
        memory_bytes: amount("Memory", &written.memory, &|text| quantity::bytes("memory", text)),
        disk_bytes: amount("Disk", &written.disk, &|text| quantity::bytes("disk", text)),
        gpu: amount("GPU", &written.gpu, &quantity::gpus),
        gpus: Vec::new(),
    };
    (written, resources)
}

/// Reads `Timeouts`; only jobs that end have default ones.
pub(super) fn timeouts(
    fields: &mut Fields<'_>,
    job_type: JobType,
    defaults: &TypeDefaults,
    report: &mut Report,
) -> Timeouts {
    let path = fields.at("Timeouts");
    let mut timeouts = Timeouts::default();
    if let Some(mut fields) = fields.object("Timeouts", report) {
        timeouts.execution_s = seconds(&mut fields, "ExecutionTimeout", "execution", report);
        timeouts.queue_s = seconds(&mut fields, "QueueTimeout", "queue", report);
        timeouts.total_s = seconds(&mut fields, "TotalTimeout", "total", report);
        fields.report_unknown(report);
    }
    if !job_type.is_long_running() {
        default_timeouts(&mut timeouts, defaults);
    }
    let Timeouts { execution_s, queue_s, total_s } = timeouts;
    if total_s > 0 && execution_s.saturating_add(queue_s) > total_s {
        let message = format!(
            "task timeouts validation failed: execution timeout {execution_s}s and queue timeout {queue_s}s should be \
             less than total timeout {total_s}s"
        );
        report.error(path, message);
    }
    timeouts
}

/// A default never contradicts what was asked for.
fn default_timeouts(timeouts: &mut Timeouts, defaults: &TypeDefaults) {
    if timeouts.total_s == 0
        && defaults.total_timeout_s >= timeouts.execution_s.saturating_add(timeouts.queue_s)
    {
        timeouts.total_s = defaults.total_timeout_s;
    }
    let room = match timeouts.total_s {
        0 => u64::MAX,
        total => total.saturating_sub(timeouts.queue_s),
    };
    if timeouts.execution_s == 0 {
        timeouts.execution_s = defaults.execution_timeout_s.min(room);
    }
}

fn seconds(fields: &mut Fields<'_>, key: &'static str, word: &str, report: &mut Report) -> u64 {
    let written = fields.integer(key, report).unwrap_or(0);
    u64::try_from(written).unwrap_or_else(|_| {
        let message =
            format!("invalid timeouts: invalid {word} timeout value: {written}s (expected 0 or more)");
        report.error(fields.at(key), message);
        0
    })
}

fn fill(written: &mut String, default: &str) {
    if written.is_empty() {
        *written = quantity::compact(default);
    }
}
