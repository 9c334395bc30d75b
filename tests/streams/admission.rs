//! Who is let in over TLS, and what those who are not are counted as.

use crate::pki::{Authority, Identity};
use crate::rig::{Rig, Site, block_on, texts};
use correlator::ingest::tls::{ClientAuth, MinVersion};
use correlator::ingest::{Bound, Refusal};
use correlator::limits::HANDSHAKE_TIMEOUT;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[test]
fn a_client_is_known_by_the_name_that_its_authority_vouches_for() {
    block_on(async {
        let mut site = Site::with_clients();
        site.options.tls.permitted_names = vec!["*.web.example".to_owned(), "relay.example".to_owned()];
        let rig = Rig::start(site.options.clone());
        for (name, version) in
            [("one.web.example", &rustls::version::TLS13), ("relay.example", &rustls::version::TLS12)]
        {
            let client = site.authority.client_of(Some(&site.authority.vouch(name)), &[version]);
            rig.send(&client, &[b"5 hello"]).await.unwrap();
        }
        let peers: Vec<_> = rig.stop().await.into_iter().map(|(peer, ..)| peer).collect();
        assert_eq!(peers, ["127.0.0.1,name=one.web.example", "127.0.0.1,name=relay.example"]);
    });
}

#[test]
fn whoever_is_not_let_in_is_counted_by_the_reason_and_sends_nothing() {
    block_on(async {
        let mut site = Site::with_clients();
        site.options.tls.permitted_names = vec!["*.web.example".to_owned()];
        let rig = Rig::start(site.options.clone());
        let authority = &site.authority;
        let cases = [
            (None, Refusal::NoCertificate),
            (Some(authority.vouch_for("one.web.example", -86_400)), Refusal::CertificateExpired),
            (Some(authority.vouch_from_tomorrow("one.web.example")), Refusal::BadCertificate),
            (Some(Authority::new("fleet CA").vouch("one.web.example")), Refusal::BadCertificate),
            (Some(Identity::of_its_own("one.web.example")), Refusal::BadCertificate),
            (Some(authority.vouch("one.db.example")), Refusal::ClientNotPermitted),
            (Some(authority.vouch("web.example")), Refusal::ClientNotPermitted),
        ];
        for (identity, _) in &cases {
            // A client of TLS 1.3 is done with its handshake before it is refused.
            let sent = rig.send(&site.client(identity.as_ref()), &[b"5 hello"]).await;
            assert!(sent.is_err());
        }
        let (records, refused) = rig.end().await;
        for (_, refusal) in &cases {
            let expected = cases.iter().filter(|(_, known)| known == refusal).count() as u64;
            assert_eq!(refused.by(*refusal), expected, "{refusal:?}");
        }
        assert_eq!(records, []);
    });
}

#[test]
fn a_listed_certificate_is_let_in_whoever_made_it() {
    block_on(async {
        let mut site = Site::new();
        let (listed, other) = (Identity::of_its_own("appliance"), Identity::of_its_own("appliance"));
        let digest = ring::digest::digest(&ring::digest::SHA256, &listed.chain[0]);
        let pairs: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let fingerprint = format!("sha-256:{}", pairs.join(":"));
        site.options.tls.permitted_fingerprints = vec![fingerprint.parse().unwrap()];
        let rig = Rig::start(site.options.clone());
        rig.send(&site.client(Some(&listed)), &[b"5 hello"]).await.unwrap();
        assert!(rig.send(&site.client(Some(&other)), &[b"5 hello"]).await.is_err());
        assert!(rig.send(&site.client(None), &[b"5 hello"]).await.is_err());
        let (records, refused) = rig.end().await;
        assert_eq!(refused.by(Refusal::ClientNotPermitted), 1);
        assert_eq!(refused.by(Refusal::NoCertificate), 1);
        let expected = (format!("127.0.0.1,name={fingerprint}"), b"hello".to_vec(), false);
        assert_eq!(records, [expected]);
    });
}

#[test]
fn a_client_shows_the_authorities_between_it_and_the_one_that_is_known() {
    block_on(async {
        let site = Site::with_clients();
        let rig = Rig::start(site.options.clone());
        let between = site.authority.under("web CA");
        let mut identity = between.vouch("one.web.example");
        let sent = rig.send(&site.client(Some(&identity)), &[b"5 hello"]).await;
        assert!(sent.is_err(), "nobody can tell who vouches for it");
        identity.chain.push(between.certificate());
        rig.send(&site.client(Some(&identity)), &[b"5 hello"]).await.unwrap();
        let (records, refused) = rig.end().await;
        assert_eq!((texts(&records), refused.by(Refusal::BadCertificate)), (vec!["hello"], 1));
    });
}

#[test]
fn clients_that_do_not_trust_the_listener_are_refused_and_say_so() {
    block_on(async {
        let site = Site::new();
        let home = site.home.path();
        // Expired, of another host, and of another authority: it can be shown, and clients turn away.
        for wrong in [
            site.authority.vouch_for("collector.example", -86_400),
            site.authority.vouch("elsewhere.example"),
            Authority::new("fleet CA").vouch("collector.example"),
        ] {
            wrong.write(home, "server");
            let rig = Rig::start(site.options.clone());
            for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
                let client = site.authority.client_of(None, &[version]);
                assert!(rig.send(&client, &[b"5 hello"]).await.is_err());
            }
            rig.refused(Refusal::Handshake, 2).await;
            let (records, refused) = rig.end().await;
            assert_eq!((records, refused.by(Refusal::Handshake)), (vec![], 2));
        }
    });
}

#[test]
fn where_it_may_a_client_comes_without_a_certificate_but_not_with_a_wrong_one() {
    block_on(async {
        let mut site = Site::with_clients();
        site.options.tls.client_auth = ClientAuth::Optional;
        let rig = Rig::start(site.options.clone());
        rig.send(&site.client(None), &[b"5 hello"]).await.unwrap();
        let wrong = Identity::of_its_own("stranger");
        assert!(rig.send(&site.client(Some(&wrong)), &[b"5 hello"]).await.is_err());
        let (records, refused) = rig.end().await;
        assert_eq!(refused.by(Refusal::BadCertificate), 1);
        assert_eq!(records, [("127.0.0.1".to_owned(), b"hello".to_vec(), false)]);
    });
}

#[test]
fn old_versions_are_refused_where_the_listener_says_so() {
    block_on(async {
        let mut site = Site::new();
        site.options.tls.min_version = MinVersion::Tls13;
        let rig = Rig::start(site.options.clone());
        let old = site.authority.client_of(None, &[&rustls::version::TLS12]);
        assert!(rig.send(&old, &[b"5 hello"]).await.is_err());
        rig.send(&site.client(None), &[b"5 hello"]).await.unwrap();
        let (records, refused) = rig.end().await;
        assert_eq!(refused.by(Refusal::Handshake), 1);
        assert_eq!(records.len(), 1);
    });
}

#[test]
fn peers_that_speak_something_else_hang_or_leave_are_refused() {
    block_on(async {
        let mut site = Site::new();
        site.options.tls.handshake_timeout = Duration::from_millis(200);
        let rig = Rig::start(site.options.clone());
        let mut silent = TcpStream::connect(rig.address).await.unwrap();
        let mut hangs = TcpStream::connect(rig.address).await.unwrap();
        // The beginning of a ClientHello, and never the rest.
        hangs.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]).await.unwrap();
        silent.read_to_end(&mut Vec::new()).await.ok();
        hangs.read_to_end(&mut Vec::new()).await.ok();
        let (records, refused) = rig.end().await;
        assert_eq!((records, refused.by(Refusal::HandshakeTimeout)), (vec![], 2));

        site.options.tls.handshake_timeout = HANDSHAKE_TIMEOUT;
        let rig = Rig::start(site.options.clone());
        let mut plain = TcpStream::connect(rig.address).await.unwrap();
        plain
            .write_all(b"<38>1 - - sshd - - - Accepted password for root from 192.0.2.1 port 22 ssh2\n")
            .await
            .unwrap();
        plain.read_to_end(&mut Vec::new()).await.ok();
        let mut gone = TcpStream::connect(rig.address).await.unwrap();
        gone.write_all(&[0x16]).await.unwrap();
        gone.shutdown().await.unwrap();
        gone.read_to_end(&mut Vec::new()).await.ok();
        let (records, refused) = rig.end().await;
        assert_eq!((records, refused.by(Refusal::Handshake)), (vec![], 2));
    });
}

#[test]
fn files_that_cannot_be_used_are_named_before_anything_is_accepted() {
    block_on(async {
        let site = Site::with_clients();
        let refused = |change: &dyn Fn(&mut correlator::ingest::tls::Options)| {
            let mut options = site.options.clone();
            change(&mut options.tls);
            Bound::new(options).unwrap_err().to_string()
        };
        let (_, of_other) = site.authority.vouch("other").write(site.home.path(), "other");
        let said = refused(&|tls| tls.key = Some(of_other.clone()));
        assert!(said.contains("server.pem and") && said.contains("other.key cannot be shown"), "{said}");
        let said = refused(&|tls| tls.client_ca = Some("/nonexistent.pem".into()));
        assert!(said.contains("`lan`") && said.contains("/nonexistent.pem"), "{said}");
        let said = refused(&|tls| tls.certificate = None);
        assert!(said.contains("TLS needs `certificate`"), "{said}");
        let said = refused(&|tls| {
            tls.certificate = Some("/nonexistent-certificate.pem".into());
            tls.key = Some("/nonexistent-key.pem".into());
            tls.client_ca = Some("/nonexistent-ca.pem".into());
        });
        let files = ["-certificate", "-key", "-ca"].map(|name| format!("/nonexistent{name}.pem: "));
        assert!(files.iter().all(|file| said.matches(file).count() == 1), "all of them at once: {said}");
        let said = refused(&|tls| {
            tls.key = Some(of_other.clone());
            tls.client_ca = Some("/nonexistent-ca.pem".into());
        });
        assert!(said.contains("other.key cannot be shown") && said.contains("/nonexistent-ca.pem"), "{said}");
        fs::set_permissions(&of_other, fs::Permissions::from_mode(0o644)).unwrap();
        let said = refused(&|tls| tls.key = Some(of_other.clone()));
        assert!(said.contains("run `chmod o= "), "{said}");
    });
}
