//! One event after the other: filters, failures, retries, restarts, clocks that are set.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_handler_gets_what_its_applications_raise_and_its_filter_wants() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    scene.start(&[("h", &handler, filtered("severity >= ERROR"))]);
    scene.raise([
        (Severity::Error, A, 0),
        (Severity::Info, A, 0),
        (Severity::Critical, B, 0),
        (Severity::Error, B, 1),
    ]);
    scene.settle().await;
    assert_eq!(handler.delivered(), [0, 2]);
    let states = [State::Delivered, State::Filtered, State::Skipped];
    assert_eq!(scene.counts("h", &states), [2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_outage_delays_one_handler_and_loses_nothing() {
    let (mut scene, down, up) = (Scene::new(), Scripted::default(), Scripted::default());
    *down.always.lock().unwrap() = Some(failed());
    let patient = RetryOptions { give_up: 2 * DAY, ..RetryOptions::default() };
    let options = TargetOptions { retry: patient, ..TargetOptions::default() };
    scene.start(&[("down", &down, options.clone()), ("up", &up, options)]);
    let mut raised = Vec::new();
    for _ in 0..24 * 12 {
        raised.extend(scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 50)));
        scene.pass(5 * MINUTE).await;
    }
    assert_eq!(up.delivered(), raised, "the other handler has all, while this one has none");
    assert_eq!(scene.waiting("down"), raised.len() as u64);
    let retry = scene.standing("down").retry.unwrap();
    assert!((280..2_000).contains(&retry.attempts), "{} attempts within a day", retry.attempts);
    *down.always.lock().unwrap() = None;
    scene.pass(limits::RETRY_MOST).await;
    scene.pass(MINUTE).await;
    assert_eq!(down.delivered(), raised, "all of it, in order, each once");
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_too_long_is_a_dead_letter_that_can_be_sent_again() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise([(Severity::Notice, A, 0), (Severity::Notice, B, 0)]);
    scene.pass(DAY + 2 * limits::RETRY_MOST).await;
    assert_eq!(scene.counts("h", &[State::Dead, State::Delivered]), [2, 0]);
    // Also after a restart; the one that an operator does not name stays dead, and what was delivered is left alone.
    scene.stop().await;
    *handler.always.lock().unwrap() = None;
    scene.start(&[("h", &handler, filtered("severity >= ERROR"))]);
    let third = scene.raise_one(Severity::Error, A);
    scene.settle().await;
    assert_eq!(handler.delivered(), [third]);
    assert!(scene.run().dispatch.command("h", Command::Retry(just(1..3))));
    scene.settle().await;
    assert_eq!(handler.delivered(), [1], "whatever the filter says by now");
    assert_eq!(scene.counts("h", &[State::Dead, State::Delivered]), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_was_being_tried_again_is_given_up_in_time_across_restarts() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise_one(Severity::Notice, A);
    scene.pass(20 * HOUR).await;
    scene.stop().await;
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.pass(3 * HOUR).await;
    assert_eq!(scene.waiting("h"), 1);
    scene.pass(HOUR + 2 * limits::RETRY_MOST).await;
    assert_eq!(scene.counts("h", &[State::Dead]), [1]);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_cut_off_and_one_that_refuses_is_obeyed() {
    let (mut scene, refuses) = (Scene::new(), Scripted::default());
    let hangs = Scripted { hangs: true, ..Scripted::default() };
    *refuses.always.lock().unwrap() = Some(Outcome::Permanent("550 no".into()));
    scene.start(&[
        ("hangs", &hangs, TargetOptions::default()),
        ("refuses", &refuses, TargetOptions::default()),
    ]);
    scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    assert_eq!(scene.counts("refuses", &[State::Dead]), [1]);
    assert_eq!(scene.standing("hangs").retry, None);
    scene.pass(limits::HANDLER_DEADLINE).await;
    let retry = scene.standing("hangs").retry.unwrap();
    assert_eq!((retry.attempts, retry.note.as_str()), (1, "it gave no answer within 60 s"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_few_at_once_gets_all_and_is_let_rest_when_it_asks() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(2), ..Scripted::default() });
    handler.answers.lock().unwrap().extend([Outcome::Delivered, Outcome::Deferred("429".into(), HOUR)]);
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 5));
    scene.pass(HOUR - MINUTE).await;
    assert_eq!(handler.seen(), [Seen::Events(vec![0, 1])]);
    scene.pass(2 * MINUTE).await;
    assert_eq!(handler.seen(), [Seen::Events(vec![2, 3]), Seen::Events(vec![4])]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_impatient_is_tried_again_soon_for_as_long_as_it_fails() {
    let (mut scene, patience) = (Scene::new(), Duration::from_secs(30));
    let handler = Scripted { patience: Some(patience), ..Scripted::default() };
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise_one(Severity::Error, A);
    scene.pass(HOUR).await;
    assert_eq!(scene.waiting("h"), 1);
    *handler.always.lock().unwrap() = None;
    scene.pass(patience).await;
    assert_eq!(scene.waiting("h"), 0);
}

#[tokio::test(start_paused = true)]
async fn handlers_come_and_go_and_come_back() {
    let (mut scene, old, new) = (Scene::new(), Scripted::default(), Scripted::default());
    scene.start(&[("old", &old, TargetOptions::default())]);
    scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    scene.stop().await;
    scene.start(&[("new", &new, TargetOptions::default())]);
    let second = scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    assert_eq!(new.delivered(), [second], "a new one begins with what comes");
    scene.stop().await;
    scene.start(&[("old", &old, TargetOptions::default()), ("new", &new, TargetOptions::default())]);
    scene.settle().await;
    assert_eq!(old.delivered(), [0, second], "one that is back gets what it missed");
    assert!(new.delivered().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_read_for_now_makes_no_dead_letters() {
    for (what, why) in
        [(Unreadable::Directory, "cannot list"), (Unreadable::Segments, "No such file or directory")]
    {
        let (mut scene, handler) = (Scene::new(), Scripted::default());
        *handler.always.lock().unwrap() = Some(failed());
        scene.start(&[("h", &handler, TargetOptions::default())]);
        let blocks = 3 * limits::HANDLER_QUEUE_BLOCKS;
        let raised: Vec<_> = (0..blocks).map(|_| scene.raise_one(Severity::Notice, A)).collect();
        scene.settle().await;
        *handler.always.lock().unwrap() = None;
        scene.blind(HOUR, what).await;
        let standing = scene.standing("h");
        assert_eq!(standing.count(State::Dead), 0);
        let retry = standing.retry.unwrap();
        assert!(retry.note.contains(why) && retry.attempts > 3, "{retry:?}");
        scene.pass(limits::RETRY_MOST).await;
        assert_eq!(handler.delivered(), raised);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_always_asks_for_a_rest_keeps_no_event_longer_than_it_is_retried() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(1), ..Scripted::default() });
    *handler.always.lock().unwrap() = Some(Outcome::Deferred("429".into(), 50 * MINUTE));
    scene.start(&[("h", &handler, two_hours(TargetOptions::default()))]);
    scene.raise([(Severity::Notice, A, 0), (Severity::Notice, B, 0)]);
    scene.pass(2 * HOUR - MINUTE).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.attempts("h")), (vec![0], 3));
    scene.pass(2 * MINUTE).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.waiting("h")), (vec![1], 1));
    // The one behind it is not tried before the rest is over.
    assert_eq!(scene.standing("h").retry, None);
    scene.pass(28 * MINUTE).await;
    assert_eq!(scene.standing("h").retry, None);
    scene.pass(10 * MINUTE).await;
    assert_eq!(scene.attempts("h"), 1);
    scene.pass(2 * HOUR + MINUTE).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.waiting("h")), (vec![2], 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_behind_a_failure_is_not_delivered_again_after_a_stop() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(4), ..Scripted::default() });
    six(&mut scene, &handler);
    scene.settle().await;
    assert_eq!(handler.delivered(), [1, 2, 3]);
    assert_eq!((scene.counts("h", &[State::Delivered]), scene.waiting("h")), (vec![3], 3));
    let before = scene.standing("h").retry.unwrap();
    scene.stop().await;
    scene.start(&[("h", &handler, filtered("severity >= NOTICE"))]);
    scene.settle().await;
    let after = scene.standing("h").retry.unwrap();
    assert_eq!((after.first, after.attempts, after.since), (0, before.attempts + 1, before.since));
    handler.fails.lock().unwrap().clear();
    scene.pass(limits::RETRY_MOST).await;
    assert_eq!(handler.delivered(), [0, 4], "each once, and in order as far as that goes");
    assert_eq!(scene.counts("h", &[State::Delivered, State::Filtered]), [5, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_clock_neither_gives_up_nor_delays() {
    for set in [500 * DAY, 2_000 * DAY] {
        let (mut scene, fails, gathers) = (Scene::new(), Scripted::default(), Scripted::default());
        *fails.always.lock().unwrap() = Some(failed());
        let options = [TargetOptions::default(), storm(None, Some(15 * MINUTE))];
        scene.start(&[("fails", &fails, options[0].clone()), ("gathers", &gathers, options[1].clone())]);
        scene.raise_one(Severity::Warning, A);
        scene.settle().await;
        scene.set.store(set.as_secs(), Relaxed);
        scene.pass(14 * MINUTE).await;
        assert_eq!(gathers.seen(), []);
        scene.pass(2 * MINUTE).await;
        assert_eq!(gathers.seen(), [Seen::Digest(1, 0, vec![0])]);
        assert!(scene.attempts("fails") > 3);
        scene.pass(23 * HOUR).await;
        assert_eq!(scene.counts("fails", &[State::Dead]), [0]);
        scene.pass(HOUR).await;
        assert_eq!(scene.counts("fails", &[State::Dead]), [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_in_too_many_pieces_are_dropped_and_that_is_told() {
    let (mut scene, handler) = (Scene::new(), Scripted { hangs: true, ..Scripted::default() });
    scene.start(&[("h", &handler, TargetOptions::default())]);
    let pieces = limits::MAX_DEAD_RANGES as u64;
    for _ in 0..2 {
        scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), limits::MAX_DEAD_RANGES));
    }
    let run = |seq: u64| Settled {
        handler: "h".into(),
        events: seq..seq + 1,
        state: if seq.is_multiple_of(2) { State::Dead } else { State::Delivered },
        attempts: 1,
        time: scene.clock.now(),
        note: None,
    };
    let runs: Vec<_> = (0..2 * pieces).map(run).collect();
    scene.run().journal.lock().unwrap().settle(&runs, scene.clock.now()).unwrap();
    scene.stop().await;
    let refuses = Scripted::default();
    *refuses.always.lock().unwrap() = Some(Outcome::Permanent("550".into()));
    scene.start(&[("h", &refuses, TargetOptions::default())]);
    assert_eq!(scene.standing("h").dead.spans(), limits::MAX_DEAD_RANGES);
    let last = scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    let standing = scene.standing("h");
    assert_eq!(standing.dead.spans(), limits::KEPT_DEAD_RANGES);
    assert!(standing.dead.contains(last) && !standing.dead.contains(0), "the newest are kept");
    assert_eq!(standing.count(State::Dropped) + standing.count(State::Dead), pieces + 1);
}
