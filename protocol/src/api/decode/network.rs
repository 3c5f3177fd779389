//! What a task may reach.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use crate::model::{Network, NetworkType, PortMapping};
use crate::spec::{Fields, Report};

/// Longest port name: with `BACALHAU_HOST_PORT_` in front it is an environment variable of at most 256 characters.
const MAX_PORT_NAME_BYTES: usize = 237;

pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report) -> Network {
    let Some(mut fields) = fields.object("Network", report) else { return Network::default() };
    let network = Network {
        network_type: network_type(&mut fields, report),
        domains: domains(&mut fields, report),
        ports: ports(&mut fields, report),
    };
    fields.report_unknown(report);
    check_mode(&fields, &network, report);
    check_unique(&fields, &network.ports, report);
    network
}

fn network_type(fields: &mut Fields<'_>, report: &mut Report) -> NetworkType {
    let word = fields.text("Type", report);
    if word.is_empty() {
        return NetworkType::Default;
    }
    NetworkType::parse(&word).unwrap_or_else(|| {
        let expected = "expected Default, None, Host, Full, HTTP or Bridge";
        report.error(fields.at("Type"), format!("models.Network: unknown type '{word}' ({expected})"));
        NetworkType::Default
    })
}

fn domains(fields: &mut Fields<'_>, report: &mut Report) -> Vec<String> {
    let written = fields.texts("Domains", report);
    let domains: Vec<String> = written.iter().map(|domain| domain.trim().to_lowercase()).collect();
    for (index, domain) in domains.iter().enumerate().filter(|(_, domain)| !is_domain(domain)) {
        let message = format!(
            "invalid network: invalid domain {domain:?} (expected example.com, .example.com or an IP)"
        );
        report.error(format!("{}[{index}]", fields.at("Domains")), message);
    }
    domains
}

/// A host name, one with a leading `.` or `*.` for all below it, or an IP address.
fn is_domain(domain: &str) -> bool {
    let name = domain.strip_prefix("*.").or_else(|| domain.strip_prefix('.')).unwrap_or(domain);
    let is_label = |label: &str| {
        let allowed = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        (1..=63).contains(&label.len()) && allowed && !label.starts_with('-') && !label.ends_with('-')
    };
    domain.parse::<IpAddr>().is_ok() || name.len() <= 253 && name.split('.').all(is_label)
}

fn ports(fields: &mut Fields<'_>, report: &mut Report) -> Vec<PortMapping> {
    let items = fields.items("Ports", report);
    items.into_iter().filter_map(|(path, value)| port(path, value, report)).collect()
}

fn port(path: String, value: &Value, report: &mut Report) -> Option<PortMapping> {
    if value.is_null() {
        report.error(&path, "expected a port mapping, found null");
    }
    let mut fields = Fields::new(path, value, report)?;
    let name = fields.text("Name", report);
    check_port_name(&fields, &name, report);
    let static_port = port_number(&mut fields, "Static", report);
    if (1..1024).contains(&static_port) {
        let message = format!("static port {static_port} is in privileged port range (1-1023)");
        report.error(fields.at("Static"), message);
    }
    let target = port_number(&mut fields, "Target", report);
    let host_network = fields.text("HostNetwork", report);
    if !host_network.is_empty() && host_network.parse::<IpAddr>().is_err() {
        let message =
            format!("invalid host network IP address {host_network:?} (expected e.g. \"127.0.0.1\")");
        report.error(fields.at("HostNetwork"), message);
    }
    fields.report_unknown(report);
    Some(PortMapping { name, static_port, target, host_network })
}

fn check_port_name(fields: &Fields<'_>, name: &str, report: &mut Report) {
    let at = fields.at("Name");
    let variable = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() {
        report.error(at, "port mapping name is required");
    } else if name.len() > MAX_PORT_NAME_BYTES {
        report.error(at, format!("port mapping name has more than {MAX_PORT_NAME_BYTES} characters"));
    } else if !variable || name.starts_with(|c: char| c.is_ascii_digit()) {
        report.error(at, format!("port mapping name {name:?} must be a valid environment variable name"));
    }
}

fn port_number(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> u16 {
    let written = fields.integer(key, report).unwrap_or(0);
    u16::try_from(written).unwrap_or_else(|_| {
        report.error(fields.at(key), format!("invalid port {written} (expected 1 to 65535)"));
        0
    })
}

fn check_mode(fields: &Fields<'_>, network: &Network, report: &mut Report) {
    let mode = network.network_type;
    if !network.domains.is_empty() && mode != NetworkType::Http {
        report.error(fields.at("Domains"), "invalid network: domains can only be set for HTTP network mode");
    }
    if network.domains.is_empty() && mode == NetworkType::Http {
        report.error(fields.at("Domains"), "at least one domain is required for HTTP network mode");
    }
    let on_host = matches!(mode, NetworkType::Host | NetworkType::Full);
    if !network.ports.is_empty() && !on_host && mode != NetworkType::Bridge {
        report.error(
            fields.at("Ports"),
            "invalid network: ports can only be set for Host or Bridge network modes",
        );
    }
    if on_host && network.ports.iter().any(|port| port.target != 0) {
        report.error(fields.at("Ports"), "invalid network: target ports cannot be set for Host network mode");
    }
}

fn check_unique(fields: &Fields<'_>, ports: &[PortMapping], report: &mut Report) {
    let (mut names, mut statics, mut targets) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let at = fields.at("Ports");
    for port in ports {
        if !names.insert(&port.name) {
            report.error(&at, format!("duplicate port mapping name '{}'", port.name));
        }
        if port.static_port != 0 && !statics.insert(port.static_port) {
            report.error(&at, format!("duplicate static port {}", port.static_port));
        }
        if port.target != 0 && !targets.insert(port.target) {
            report.error(&at, format!("duplicate target port {}", port.target));
        }
    }
}
