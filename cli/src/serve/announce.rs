//! How people use a server and join nodes to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;

use bacalhau_control_plane::ControlPlane;

use super::reachable;
use super::tls::Scheme;

/// What people need to know about a server that has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    api: SocketAddr,
    fleet: String,
    join_string: String,
    join_file: PathBuf,
    scheme: Scheme,
}

impl Announcement {
    pub(super) fn new(orchestrator: &ControlPlane, advertise: &str, scheme: &Scheme) -> Self {
        let fleet = orchestrator.fleet_address();
        Self {
            api: reachable(orchestrator.api_address().unwrap_or(fleet)),
            fleet: advertised(advertise, fleet),
            join_string: orchestrator.join_string().to_owned(),
            join_file: orchestrator.join_file().to_owned(),
            scheme: scheme.clone(),
        }
    }

    /// Where clients of this machine find the API.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// How to join, with the secret: for the eyes of the person at the terminal only.
    pub fn with_secret(&self) -> String {
        format!(
            "To connect another node to this one, run the following command in its shell:\n\
             BACALHAU_JOIN={} bacalhau-agent --orchestrator {}\n\
             The join string is also in the file {}, for --join-file.\n\n{}",
            self.join_string,
            self.fleet,
            self.join_file.display(),
            self.client()
        )
    }

    /// How to join, naming the file that holds the secret.
    pub fn without_secret(&self) -> String {
        format!(
            "To connect another node to this one, copy the file {}, which only its owner can read, to it and run the \
             following command in its shell:\n\
             bacalhau-agent --orchestrator {} --join-file join\n\n{}",
            self.join_file.display(),
            self.fleet,
            self.client()
        )
    }

    /// What makes a client use this server.
    pub fn exports(&self) -> String {
        let (ip, port) = (self.api.ip(), self.api.port());
        let tls = match &self.scheme {
            Scheme::Http => String::new(),
            Scheme::Https => "export BACALHAU_API_TLS_USETLS=true\n".to_owned(),
            Scheme::HttpsTrusting(file) => format!(
                "export BACALHAU_API_TLS_USETLS=true\nexport BACALHAU_API_TLS_CAFILE={}\n",
                file.display()
            ),
        };
        format!("export BACALHAU_API_HOST={ip}\nexport BACALHAU_API_PORT={port}\n{tls}")
    }

    fn client(&self) -> String {
        format!(
            "To use this requester node from the client, run the following commands in your shell:\n{}",
            self.exports()
        )
    }
}

/// What nodes dial: as configured, else this machine's address towards the world.
fn advertised(advertise: &str, listening: SocketAddr) -> String {
    match advertise {
        "" if listening.ip().is_unspecified() => {
            SocketAddr::new(outward_address(), listening.port()).to_string()
        }
        "" => listening.to_string(),
        address if address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) => {
            format!("[{address}]:{}", listening.port())
        }
        with_port if with_port.contains(':') => with_port.to_owned(),
        host => format!("{host}:{}", listening.port()),
    }
}

/// The address of the interface that leads out. Connecting a UDP socket sends nothing; it only asks the routing table.
pub(super) fn outward_address() -> IpAddr {
    const SOMEWHERE_ELSE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let address = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect(SOMEWHERE_ELSE)?;
        socket.local_addr()
    });
    address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement() -> Announcement {
        Announcement {
            api: "127.0.0.1:1234".parse().unwrap(),
            fleet: "10.0.0.4:4222".into(),
            join_string: "ab12.secret".into(),
            join_file: "/data/join".into(),
            scheme: Scheme::Http,
        }
    }

    #[test]
    fn the_secret_is_told_only_where_it_was_asked_for() {
        let text = announcement().with_secret();
        let command = "BACALHAU_JOIN=ab12.secret bacalhau-agent --orchestrator 10.0.0.4:4222\n";
        assert!(text.contains(command), "{text}");
        assert!(text.ends_with("export BACALHAU_API_HOST=127.0.0.1\nexport BACALHAU_API_PORT=1234\n"));
        let text = announcement().without_secret();
        assert!(!text.contains("secret") && text.contains("/data/join"), "{text}");
    }

    #[test]
    fn clients_learn_whom_to_trust() {
        let secure = Announcement { scheme: Scheme::HttpsTrusting("/data/api.crt".into()), ..announcement() };
        assert!(secure.exports().ends_with(
            "export BACALHAU_API_TLS_USETLS=true\nexport BACALHAU_API_TLS_CAFILE=/data/api.crt\n"
        ));
    }

    #[test]
    fn what_is_advertised_can_be_dialled() {
        let everywhere = "0.0.0.0:4222".parse().unwrap();
        assert_eq!(advertised("control.example", everywhere), "control.example:4222");
        assert_eq!(advertised("control.example:5000", everywhere), "control.example:5000");
        assert_eq!(advertised("::1", everywhere), "[::1]:4222");
        assert_eq!(advertised("", "127.0.0.1:4300".parse().unwrap()), "127.0.0.1:4300");
        assert!(!advertised("", everywhere).starts_with("0.0.0.0"));
    }
}
