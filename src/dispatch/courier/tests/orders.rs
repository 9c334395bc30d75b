//! What operators order: to drop, to send again, to try at once.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_operator_drops_what_waits_and_nothing_else() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(1), ..Scripted::default() });
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 4));
    let later = scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 4));
    scene.pass(HOUR).await;
    let drop = |range| Command::Drop(just(range), "in vain".into());
    // The one that is being tried, one behind it, and one of a block that has not been looked at.
    for range in [0..1, 2..3, later[1]..later[2]] {
        assert!(scene.run().dispatch.command("h", drop(range)));
    }
    scene.settle().await;
    *handler.always.lock().unwrap() = None;
    scene.pass(limits::RETRY_MOST).await;
    scene.pass(MINUTE).await;
    assert_eq!(handler.delivered(), [1, 3, 4, 6, 7]);
    assert_eq!(scene.counts("h", &[State::Dropped, State::Delivered]), [3, 5]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_drops_what_is_gathered() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    scene.start(&[("h", &handler, storm(None, Some(HOUR)))]);
    scene.raise(std::iter::repeat_n((Severity::Warning, A, 0), 5));
    scene.pass(MINUTE).await;
    assert!(scene.run().dispatch.command("h", Command::Drop(just(1..3), "noise".into())));
    scene.pass(HOUR).await;
    assert_eq!(handler.seen(), [Seen::Digest(3, 0, vec![0, 3, 4])]);
    assert_eq!(scene.counts("h", &[State::Dropped, State::Digested]), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_loses_events_while_it_waits_is_sent_once_and_without_them() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    scene.raise(std::iter::repeat_n((Severity::Warning, A, 0), 5));
    scene.pass(HOUR).await;
    assert!(scene.run().dispatch.command("h", Command::Drop(just(1..3), "noise".into())));
    scene.settle().await;
    *handler.always.lock().unwrap() = None;
    scene.pass(HOUR).await;
    assert_eq!(handler.seen(), [Seen::Digest(3, 0, vec![0, 3, 4])]);
    assert_eq!(scene.counts("h", &[State::Dropped, State::Digested]), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn orders_do_not_shorten_the_pause_after_a_failure() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(1), ..Scripted::default() });
    let refused = || Outcome::Permanent("550".into());
    let answers = (0..20).flat_map(|_| [refused(), Outcome::Delivered]);
    handler.answers.lock().unwrap().extend(answers);
    let patient = RetryOptions { first: MINUTE / 2, ..RetryOptions::default() };
    let options = TargetOptions { retry: patient, ..TargetOptions::default() };
    scene.start(&[("h", &handler, options)]);
    scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 40));
    scene.settle().await;
    assert_eq!(scene.standing("h").dead.spans(), 20);
    *handler.always.lock().unwrap() = Some(failed());
    scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    let again: Vec<_> = scene.standing("h").dead.iter().collect();
    for range in again {
        scene.order(Command::Retry(just(range))).await;
    }
    assert_eq!((scene.attempts("h"), scene.standing("h").requeued.spans()), (1, 20));
    // Who asks for that very attempt gets it, but not before the time for which the other side wants to be left alone.
    scene.order(Command::Wake).await;
    assert_eq!(scene.attempts("h"), 2);
    *handler.always.lock().unwrap() = Some(Outcome::Deferred("429".into(), HOUR));
    scene.order(Command::Wake).await;
    assert_eq!(scene.attempts("h"), 3);
    scene.order(Command::Wake).await;
    scene.pass(HOUR - MINUTE).await;
    assert_eq!(scene.attempts("h"), 3);
    scene.pass(2 * MINUTE).await;
    assert_eq!(scene.attempts("h"), 4);
}

#[tokio::test(start_paused = true)]
async fn a_drop_gives_up_what_is_open_and_nothing_else() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(4), ..Scripted::default() });
    six(&mut scene, &handler);
    // Blocks that the handler has not come to: of each the filter leaves one out.
    for _ in 0..2 * limits::HANDLER_QUEUE_BLOCKS {
        scene.raise([(Severity::Notice, A, 0), (Severity::Info, A, 0)]);
    }
    scene.settle().await;
    let blocks = 2 * limits::HANDLER_QUEUE_BLOCKS as u64;
    let open: Ranges = [0..1, 4..6 + 2 * blocks].into_iter().collect();
    scene.order(Command::Drop(open, "in vain".into())).await;
    scene.pass(MINUTE).await;
    let states = [State::Delivered, State::Dropped, State::Filtered];
    assert_eq!(scene.counts("h", &states), [3, 2 + blocks, 1 + blocks]);
    let later = scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    assert_eq!(handler.delivered(), [1, 2, 3, later]);
}
