//! Certificates that change or expire while a listener uses them.

use crate::pki::{Authority, Identity};
use crate::rig::{Rig, Site, block_on, end, texts};
use correlator::ingest::Refusal;
use correlator::ingest::tls::Renewal;
use correlator::time::{Clock, SystemClock, Timestamp};
use std::fs;
use tokio::io::AsyncWriteExt;

#[test]
fn certificates_change_under_load_and_no_record_is_lost() {
    const BEFORE: usize = 500;
    block_on(async {
        let site = Site::with_clients();
        let rig = Rig::start(site.options.clone());
        let papers = rig.papers.clone().unwrap();
        assert!(matches!(papers.renew(false), Renewal::Unchanged));
        let old_client = site.client(Some(&site.authority.vouch("old.example")));
        let mut open = rig.connect(&old_client).await.unwrap();
        let mut sent = 0;
        let mut more = async |open: &mut tokio_rustls::client::TlsStream<_>, count: usize| {
            for _ in 0..count {
                open.write_all(format!("old {sent}\n").as_bytes()).await.unwrap();
                sent += 1;
            }
            open.flush().await.unwrap();
        };
        more(&mut open, BEFORE).await;
        rig.records(BEFORE / 2).await;

        // Another authority takes over, for the listener and for its clients.
        let authority = Authority::new("next CA");
        authority.write(site.home.path(), "ca");
        authority.vouch("collector.example").write(site.home.path(), "server");
        assert!(matches!(papers.renew(false), Renewal::Renewed));
        assert!(matches!(papers.renew(false), Renewal::Unchanged));
        more(&mut open, BEFORE).await;
        let new_client = authority.client(Some(&authority.vouch("new.example")));
        rig.send(&new_client, &[b"new\n"]).await.unwrap();
        assert!(rig.send(&old_client, &[b"too late\n"]).await.is_err(), "the old authority is gone");
        let stranger = authority.client(Some(&site.authority.vouch("old.example")));
        assert!(rig.send(&stranger, &[b"too late\n"]).await.is_err());
        more(&mut open, 1).await;
        end(open).await.unwrap();

        let (records, refused) = rig.end().await;
        assert_eq!(refused.by(Refusal::BadCertificate), 1);
        let old: Vec<_> = (0..=2 * BEFORE).map(|number| format!("old {number}")).collect();
        let of = |name: &str| {
            let peer = format!("127.0.0.1,name={name}");
            records.iter().filter(|record| record.0 == peer).cloned().collect::<Vec<_>>()
        };
        assert_eq!(texts(&of("old.example")), old);
        assert_eq!(texts(&of("new.example")), ["new"]);
        assert_eq!(records.len(), old.len() + 1);
    });
}

#[test]
fn a_certificate_that_expires_under_way_ends_no_session_and_begins_none() {
    block_on(async {
        let site = Site::with_clients();
        let rig = Rig::start(site.options.clone());
        let client = site.client(Some(&site.authority.vouch_for("web.example", 3)));
        let mut open = rig.connect(&client).await.unwrap();
        open.write_all(b"before\n").await.unwrap();
        open.flush().await.unwrap();
        // Others come and go with it until it has expired.
        let mut visits = 0;
        while rig.send(&client, &[b"visit\n"]).await.is_ok() {
            visits += 1;
        }
        open.write_all(b"after\n").await.unwrap();
        end(open).await.unwrap();
        let (records, refused) = rig.end().await;
        let count = |text: &str| texts(&records).iter().filter(|found| **found == text).count();
        assert_eq!(["before", "visit", "after"].map(count), [1, visits, 1]);
        assert_eq!(refused.by(Refusal::CertificateExpired), 1);
    });
}

#[test]
fn files_that_do_not_fit_change_nothing_until_they_do() {
    block_on(async {
        let site = Site::new();
        let rig = Rig::start(site.options.clone());
        let papers = rig.papers.clone().unwrap();
        let next = site.authority.vouch("collector.example");
        let staging = tempfile::tempdir().unwrap();
        let (certificate, key) = next.write(staging.path(), "server");
        fs::rename(certificate, site.home.path().join("server.pem")).unwrap();
        let Renewal::Refused(error) = papers.renew(false) else { panic!("a certificate without its key") };
        assert!(error.to_string().contains("cannot be shown to a client"), "{error}");
        assert!(matches!(papers.renew(false), Renewal::Unchanged), "it is said once");
        rig.send(&site.client(None), &[b"old\n"]).await.unwrap();
        fs::rename(key, site.home.path().join("server.key")).unwrap();
        assert!(matches!(papers.renew(false), Renewal::Renewed));
        fs::write(site.home.path().join("server.pem"), "garbage").unwrap();
        assert!(matches!(papers.renew(false), Renewal::Refused(_)));
        rig.send(&site.client(None), &[b"new\n"]).await.unwrap();
        assert_eq!(texts(&rig.stop().await), ["old", "new"]);
    });
}

#[test]
fn each_warning_of_an_expiry_is_given_once() {
    const DAY: i64 = 86_400;
    block_on(async {
        let site = Site::with_clients();
        let soon: Identity = site.authority.vouch_for("collector.example", 20 * DAY);
        soon.write(site.home.path(), "server");
        let rig = Rig::start(site.options.clone());
        let papers = rig.papers.clone().unwrap();
        let now = SystemClock.now();
        let after = |days: i64| Timestamp::from_micros(now.as_micros() + days * DAY * 1_000_000);
        let told = |days: i64| papers.expiring(after(days)).len();
        // 20 days are left, of which 30 were worth a warning.
        let first = papers.expiring(now);
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].listener.as_str(), first[0].subject.as_str()), ("lan", "collector.example"));
        assert!(first[0].file.ends_with("server.pem"));
        assert_eq!([0, 5, 12].map(told), [0, 0, 0]);
        assert_eq!([14, 14, 18, 19, 19, 20, 21, 25].map(told), [1, 0, 0, 1, 0, 1, 0, 0]);
        // The authority goes too, within the year.
        assert_eq!([340, 341].map(told), [1, 0]);
        // A new one begins anew.
        site.authority.vouch_for("collector.example", 600 * DAY).write(site.home.path(), "server");
        assert!(matches!(papers.renew(false), Renewal::Renewed));
        assert_eq!(papers.expiring(now).len(), 0);
        assert_eq!(rig.stop().await, []);
    });
}
