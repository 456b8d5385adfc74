use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use selvedge_databases::User;

/// An authority, a server's certificate for `localhost`, one for the client `certified`, and an authority that has
/// signed none of them.
pub(crate) struct Certificates {
    authority: String,
    other_authority: String,
    server: (String, String),
    client: (String, String),
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let authority = authority("ours");
        let sign = |names: Vec<String>, common_name: &str| {
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name.push(DnType::CommonName, common_name);
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
        };
        Self {
            server: sign(vec!["localhost".to_owned()], "localhost"),
            client: sign(Vec::new(), "certified"),
            other_authority: self::authority("others").pem(),
            authority: authority.pem(),
        }
    }

    /// The client's files go to `directory`, the server's to `data`.
    pub(crate) fn write(&self, directory: &Path, data: &Path, user: Option<User>) {
        for (path, text) in [
            (directory.join("ca.crt"), &self.authority),
            (directory.join("other-ca.crt"), &self.other_authority),
            (directory.join("client.crt"), &self.client.0),
            (directory.join("client.key"), &self.client.1),
            (data.join("ca.crt"), &self.authority),
            (data.join("server.crt"), &self.server.0),
            (data.join("server.key"), &self.server.1),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            if let Some(user) = user {
                user.own(&path).unwrap();
            }
        }
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
