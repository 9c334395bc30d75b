//! What is gathered: storms, cool-downs, digests that fail, and what a restart takes up again.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_storm_is_one_message_and_a_digest() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    scene.start(&[("h", &handler, storm(Some(HOUR), Some(15 * MINUTE)))]);
    let first = scene.raise_one(Severity::Warning, A);
    for _ in 0..300 {
        scene.raise_one(Severity::Warning, A);
    }
    let other = scene.raise_one(Severity::Warning, B);
    scene.settle().await;
    assert_eq!(handler.delivered(), [first, other]);
    assert_eq!(scene.waiting("h"), 300);
    scene.pass(15 * MINUTE).await;
    let shown = (1..=limits::MAX_DIGEST_EVENTS as u64).collect();
    assert_eq!(handler.seen(), [Seen::Digest(300, 0, shown)]);
    assert_eq!(scene.counts("h", &[State::Digested, State::Delivered]), [300, 2]);
    assert_eq!(scene.waiting("h"), 0);
}

/// A storm does not hide what is worse.
#[tokio::test(start_paused = true)]
async fn a_digest_shows_the_gravest_of_what_is_gathered() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    for _ in 0..200 {
        scene.raise_one(Severity::Notice, A);
    }
    let grave = scene.raise_one(Severity::Error, B);
    scene.pass(MINUTE).await;
    let shown = std::iter::once(grave).chain(0..limits::MAX_DIGEST_EVENTS as u64 - 1).collect();
    assert_eq!(handler.seen(), [Seen::Digest(201, 0, shown)]);
}

#[tokio::test(start_paused = true)]
async fn cool_downs_and_what_is_gathered_outlive_a_restart() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    let options = || storm(Some(HOUR), Some(15 * MINUTE));
    scene.start(&[("h", &handler, options())]);
    scene.raise([(Severity::Warning, A, 0), (Severity::Warning, A, 0), (Severity::Warning, A, 0)]);
    scene.pass(10 * MINUTE).await;
    assert_eq!(handler.delivered(), [0]);
    scene.stop().await;
    scene.start(&[("h", &handler, options())]);
    let again = scene.raise_one(Severity::Warning, A);
    scene.pass(4 * MINUTE).await;
    assert_eq!(handler.seen(), []);
    scene.pass(2 * MINUTE).await;
    assert_eq!(handler.seen(), [Seen::Digest(3, 0, vec![1, 2, again])], "when it was due before the restart");
    scene.pass(HOUR).await;
    let anew = scene.raise_one(Severity::Warning, A);
    scene.settle().await;
    assert_eq!(handler.delivered(), [anew]);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_goes_as_a_digest_that_says_it_is_late() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    let mut options = storm(None, None);
    options.retry.give_up = 7 * DAY;
    scene.start(&[("h", &handler, options)]);
    let first = scene.raise_one(Severity::Warning, A);
    scene.settle().await;
    let late: Vec<_> = (0..50).map(|_| scene.raise_one(Severity::Warning, B)).collect();
    scene.pass(2 * DAY).await;
    let fresh = scene.raise_one(Severity::Warning, A);
    *handler.always.lock().unwrap() = None;
    scene.pass(limits::RETRY_MOST + limits::LATE_GATHER_TIME).await;
    let seen = handler.seen();
    assert_eq!(seen[..2], [Seen::Events(vec![first]), Seen::Events(vec![fresh])]);
    assert_eq!(seen[2..], [Seen::Digest(50, 50, late)]);
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_fails_is_tried_again_and_one_that_is_refused_is_dead() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    handler.answers.lock().unwrap().extend([failed(), failed()]);
    scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    scene.raise([(Severity::Warning, A, 0), (Severity::Warning, B, 0)]);
    scene.pass(MINUTE).await;
    assert_eq!((handler.seen(), scene.waiting("h")), (vec![], 2));
    let failing = scene.standing("h").retry.unwrap();
    assert!(failing.note == "451" && !failing.is_trouble(failing.since.plus(MINUTE)), "{failing:?}");
    assert!(failing.is_trouble(failing.since.plus(limits::FAILING_TIME)), "a digest that waits for long");
    scene.pass(MINUTE).await;
    assert_eq!(scene.standing("h").retry, None);
    assert_eq!(handler.seen(), [Seen::Digest(2, 0, vec![0, 1])]);
    handler.answers.lock().unwrap().extend([Outcome::Delivered, Outcome::Permanent("550".into())]);
    scene.raise([(Severity::Warning, A, 0), (Severity::Critical, A, 0)]);
    scene.pass(2 * MINUTE).await;
    let states = [State::Digested, State::Delivered, State::Dead];
    assert_eq!(scene.counts("h", &states), [2, 1, 1], "CRITICAL was not gathered: it went at once");
}

#[tokio::test(start_paused = true)]
async fn what_is_gathered_is_taken_up_once_the_journal_can_be_read() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    scene.raise(std::iter::repeat_n((Severity::Warning, A, 0), 3));
    scene.settle().await;
    scene.stop().await;
    scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    scene.blind(HOUR, Unreadable::Segments).await;
    assert_eq!(handler.seen(), []);
    scene.pass(limits::RETRY_MOST).await;
    assert_eq!(handler.seen(), [Seen::Digest(3, 0, vec![0, 1, 2])]);
}

#[tokio::test(start_paused = true)]
async fn a_digest_is_kept_no_longer_than_it_is_retried_however_long_a_rest_is_asked_for() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(Outcome::Deferred("429".into(), 50 * MINUTE));
    scene.start(&[("h", &handler, two_hours(storm(None, Some(MINUTE))))]);
    scene.raise_one(Severity::Warning, A);
    scene.pass(2 * HOUR).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.waiting("h")), (vec![0], 1));
    scene.pass(2 * MINUTE).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.waiting("h")), (vec![1], 0));
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_fails_is_given_up_in_time_across_restarts() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    let start = |scene: &mut Scene| scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    start(&mut scene);
    scene.raise_one(Severity::Warning, A);
    scene.pass(20 * HOUR).await;
    scene.stop().await;
    start(&mut scene);
    scene.pass(3 * HOUR).await;
    assert_eq!(scene.waiting("h"), 1);
    scene.pass(HOUR + 2 * limits::RETRY_MOST).await;
    assert_eq!(scene.counts("h", &[State::Dead]), [1]);
}
