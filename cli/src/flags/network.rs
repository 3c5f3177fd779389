//! `--network` and `--domain`: what a task may reach (cli.md 6.5).

use bacalhau_protocol::model::NetworkType;

/// Reads the network flag, in any case.
pub fn parse(text: &str) -> Result<NetworkType, String> {
    NetworkType::parse(text).ok_or_else(|| {
        format!("unknown network type {text:?}; expected None, HTTP, Full, Host, Bridge or Default")
    })
}

/// Domains go with one network type only.
pub fn check_domains(network: NetworkType, domains: &[String]) -> Result<(), String> {
    if domains.is_empty() || network == NetworkType::Http {
        Ok(())
    } else {
        Err("domains can only be set for HTTP network mode: add --network http".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_need_http() {
        let domains = ["example.com".to_owned()];
        assert_eq!(check_domains(parse("http").unwrap(), &domains), Ok(()));
        assert!(check_domains(parse("NONE").unwrap(), &domains).is_err());
        assert_eq!(check_domains(NetworkType::None, &[]), Ok(()));
        assert!(parse("wifi").unwrap_err().contains("\"wifi\""));
    }
}
