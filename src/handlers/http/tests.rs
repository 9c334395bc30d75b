//! The client against a server that does what others' servers do.

use super::super::port::Port;
use super::server::{Reply, Server};
use super::*;
use reqwest::Url;

async fn ask(server: &Server, reply_within: Duration) -> Result<Answer, Outcome> {
    let client = Client::new(None, reply_within).unwrap();
    send(client.post(Url::parse(&server.url("/hook")).unwrap()).body("x"), &Hushed::default()).await
}

fn why(result: Result<Answer, Outcome>) -> String {
    match result {
        Err(Outcome::Temporary(why)) => why,
        other => panic!("not temporary: {other:?}"),
    }
}

#[tokio::test]
async fn no_answer_is_temporary_and_says_why() {
    let server = Server::start(|_| Reply::Hang).await;
    assert_eq!(why(ask(&server, Duration::from_millis(100)).await), "it gave no answer in time");
    let server = Server::start(|_| Reply::Drop).await;
    let dropped = why(ask(&server, Duration::from_secs(10)).await);
    assert!(dropped.contains("connection"), "{dropped}");
    let port = Port::hold();
    let url = format!("http://127.0.0.1:{}/hook/s3cret", port.number);
    let client = Client::new(None, Duration::from_secs(10)).unwrap();
    let refused = why(send(client.post(Url::parse(&url).unwrap()), &Hushed::default()).await);
    assert!(refused.contains("Connection refused") && !refused.contains("s3cret"), "{refused}");
}

#[tokio::test]
async fn a_trial_takes_no_longer_than_a_request_may() {
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("https://{}", silent.local_addr().unwrap())).unwrap();
    let client = Client::new(None, Duration::from_millis(200)).unwrap();
    let made = client.reach(&url, false, &Hushed::default()).await.made();
    assert_eq!(made.last().unwrap().result, Err("no answer within 0.2 s".to_owned()), "{made:?}");
}

#[tokio::test]
async fn of_a_huge_body_no_more_is_read_than_a_note_can_use() {
    let server = Server::start(|_| Reply::Flood(200)).await;
    let answer = ask(&server, Duration::from_secs(10)).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, limits::MAX_ANSWER_BYTES));
}

#[tokio::test]
async fn a_status_counts_even_if_the_body_never_ends() {
    let server = Server::start(|_| Reply::HalfBody(202)).await;
    let answer = ask(&server, Duration::from_secs(2)).await.unwrap();
    assert_eq!(answer.outcome(&Hushed::default()), Outcome::Delivered);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Server::start(|_| Reply::status(200)).await;
    let location = target.url("/elsewhere");
    let server = Server::start(move |_| Reply::status(307).header("location", &location)).await;
    let answer = ask(&server, Duration::from_secs(10)).await.unwrap();
    assert!(!answer.outcome(&Hushed::default()).is_temporary());
    assert_eq!((answer.status.as_u16(), target.requests().len()), (307, 0));
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(|_| Reply::status(200)).await;
    let client = Client::new(None, Duration::from_secs(10)).unwrap();
    for _ in 0..5 {
        let request = client.post(Url::parse(&server.url("/")).unwrap()).body("x");
        assert_eq!(send(request, &Hushed::default()).await.unwrap().status.as_u16(), 200);
    }
    assert_eq!((server.requests().len(), server.connections()), (5, 1));
}

#[tokio::test]
async fn a_private_authority_vouches_for_its_own_servers_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_tls(dir.path(), |_| Reply::status(200)).await;
    let (ca, url) = (dir.path().join("ca.pem"), Url::parse(&server.url("/")).unwrap());
    let client = Client::new(Some(&ca), Duration::from_secs(10)).unwrap();
    assert_eq!(send(client.post(url.clone()), &Hushed::default()).await.unwrap().status.as_u16(), 200);
    let stranger = Client::new(None, Duration::from_secs(10)).unwrap();
    let refused = why(send(stranger.post(url), &Hushed::default()).await);
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let plain = Server::start(|_| Reply::status(200)).await;
    assert_eq!(
        send(client.post(Url::parse(&plain.url("/")).unwrap()), &Hushed::default())
            .await
            .unwrap()
            .status
            .as_u16(),
        200
    );
}
