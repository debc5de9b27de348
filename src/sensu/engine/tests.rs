use super::{Bounds, Engine, Event};
use crate::sensu::definitions::{Settings, Sources, load};
use crate::sensu::splay;
use crate::sys::child::Surroundings;
use crate::sys::clock;
use crate::wire::sensu_json::{Object, Value, field};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn settings(json: &str) -> Settings {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.json"), json).expect("written");
    let sources =
        Sources { folders: vec![dir.path().to_owned()], hostname: "n1".into(), ..Sources::default() };
    load(&sources, &mut Vec::new()).unwrap_or_else(|refused| panic!("{refused}"))
}

/// Runs the one check of these definitions once and returns its result.
async fn once(json: &str) -> Object {
    let settings = settings(json);
    let (_, check) = settings.checks().next().expect("a check");
    let check = check.clone();
    super::run_once(check, settings, Surroundings::default(), None, Bounds::default()).await
}

fn text(result: &Object, name: &str) -> String {
    field(result, name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name} of {result:?}")).to_owned()
}

#[tokio::test]
async fn a_result_has_its_keys_in_the_originals_order() {
    let result = once(
        r#"{"checks":{"a":{"command":"echo :::name:::; exit 1","note":":::name:::","interval":10,"standalone":true}}}"#,
    )
    .await;
    let keys: Vec<String> = result.keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    let order =
        ["command", "note", "interval", "standalone", "name", "executed", "duration", "output", "status"];
    assert_eq!(keys, order);
    assert_eq!(text(&result, "command"), "echo :::name:::; exit 1", "published as defined");
    assert_eq!((text(&result, "note"), text(&result, "output")), ("n1".into(), "n1\n".into()));
}

#[tokio::test]
async fn a_token_without_a_value_is_told_and_nothing_is_run() {
    let result =
        once(r#"{"checks":{"a":{"command":"echo :::x::: :::y.z:::","interval":10,"standalone":true}}}"#)
            .await;
    assert_eq!(text(&result, "output"), "Unmatched client token(s): x, y.z");
    assert_eq!(field(&result, "status"), Some(&Value::from(3)));
    assert_eq!(field(&result, "handle"), Some(&Value::Bool(false)));
    assert!(field(&result, "duration").is_none());
}

#[tokio::test]
async fn a_hook_adds_its_words_to_the_result_alone() {
    let json = r#"{"checks":{"a":{"command":"exit 2","interval":10,"standalone":true,
        "hooks":{"critical":{"command":"echo hook of :::name:::; exit 9"},"ok":{"command":"echo never"}}}}}"#;
    let result = once(json).await;
    let hooks = field(&result, "hooks").and_then(Value::as_object).expect("hooks");
    let critical = field(hooks, "critical").and_then(Value::as_object).expect("ran");
    assert_eq!(text(critical, "output"), "hook of n1\n");
    assert_eq!(field(critical, "status"), Some(&Value::from(9)));
    assert_eq!(field(&result, "status"), Some(&Value::from(2)));
    assert_eq!(field(hooks, "ok").map(|ok| ok.to_bytes()), Some(br#"{"command":"echo never"}"#.to_vec()));
}

#[tokio::test]
async fn timeouts_end_in_the_originals_words() {
    let result = once(
        r#"{"checks":{"a":{"command":"echo x; sleep 60","timeout":0.2,"interval":10,"standalone":true}}}"#,
    )
    .await;
    assert_eq!(
        (text(&result, "output").as_str(), field(&result, "status")),
        ("Execution timed out", Some(&Value::from(2)))
    );
    let result =
        once(r#"{"checks":{"a":{"command":"true","timeout":-1,"interval":10,"standalone":true}}}"#).await;
    assert_eq!(text(&result, "output"), "Unexpected error: time interval must be positive");
}

#[tokio::test]
async fn standard_input_is_client_and_check() {
    let result =
        once(r#"{"checks":{"a":{"command":"cat","stdin":true,"interval":10,"standalone":true}}}"#).await;
    let input = Value::parse(text(&result, "output").as_bytes()).expect("JSON");
    let input = input.as_object().expect("an object");
    let client = field(input, "client").and_then(Value::as_object).expect("a client");
    assert_eq!(field(client, "name"), Some(&Value::from("n1")));
    let check = field(input, "check").and_then(Value::as_object).expect("a check");
    assert!(field(check, "executed").is_some() && field(check, "output").is_none());
}

/// What an engine told in so many seconds.
async fn told(json: &str, seconds: f64) -> Vec<Event> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let teller = events.clone();
    let tell = Arc::new(move |event| teller.lock().expect("not poisoned").push(event));
    let engine = Engine::new(settings(json), Surroundings::default(), None, Bounds::default(), tell);
    let stop = CancellationToken::new();
    let (running, end) = (engine.clone(), stop.clone());
    let running = tokio::spawn(async move { running.run(end).await });
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    stop.cancel();
    running.await.expect("it ends");
    engine.finish().await;
    drop(engine);
    Arc::into_inner(events).expect("the engine is gone").into_inner().expect("not poisoned")
}

fn results(events: &[Event], name: &str) -> usize {
    let is = |event: &&Event| match event {
        Event::Result(payload) => {
            let check = field(payload, "check").and_then(Value::as_object).expect("a check");
            field(check, "name") == Some(&Value::from(name))
        }
        Event::Log(..) => false,
    };
    events.iter().filter(is).count()
}

fn logged(events: &[Event], text: &str) -> usize {
    events.iter().filter(|event| matches!(event, Event::Log(_, message, _) if *message == text)).count()
}

#[tokio::test]
async fn checks_run_when_they_are_due_and_never_twice_at_once() {
    let events = told(
        r#"{"client":{"subscriptions":["web"]},"checks":{
            "quick":{"command":"true","interval":1,"standalone":true},
            "slow":{"command":"sleep 1.5","interval":1,"standalone":true},
            "subscribed":{"command":"true","interval":1,"subscribers":["web","other"]},
            "itself":{"command":"true","interval":1,"subscribers":["client:n1"]},
            "elsewhere":{"command":"true","interval":1,"subscribers":["other"]},
            "unpublished":{"command":"true","interval":1,"standalone":true,"publish":false},
            "subdued":{"command":"true","interval":1,"standalone":true,
                       "subdue":{"days":{"all":[{"begin":"00:00","end":"23:59:59"}]}}},
            "extension":{"extension":"none","interval":1,"standalone":true}}}"#,
        3.2,
    )
    .await;
    for (name, range) in [
        ("quick", 2..=4),
        ("subscribed", 2..=4),
        ("itself", 2..=4),
        ("slow", 1..=2),
        ("elsewhere", 0..=0),
        ("unpublished", 0..=0),
        ("subdued", 0..=0),
        ("extension", 0..=0),
    ] {
        assert!(range.contains(&results(&events, name)), "{name}: {}", results(&events, name));
    }
    assert!(logged(&events, "previous check command execution in progress") >= 1);
    assert!(logged(&events, "check execution was subdued") >= 2);
    assert!(logged(&events, "unknown check extension") >= 2);
}

#[tokio::test]
async fn a_check_that_hangs_holds_one_slot_and_no_more() {
    let events = told(
        r#"{"sensu":{"spawn":{"limit":2}},"checks":{
            "stuck":{"command":"sleep 3","interval":1,"standalone":true},
            "quick":{"command":"true","interval":1,"standalone":true}}}"#,
        3.2,
    )
    .await;
    assert!(results(&events, "quick") >= 2, "{}", results(&events, "quick"));
}

/// Waits until something is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let waited = clock::instant();
    while !is_so() {
        assert!(waited.elapsed() < Duration::from_secs(20), "it does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_wait_for_a_slot_is_seen_and_counts_as_lateness() {
    let json = r#"{"sensu":{"spawn":{"limit":1}},"checks":{
        "a":{"command":"sleep 1.5","interval":1,"standalone":true},
        "b":{"command":"sleep 1.5","interval":1,"standalone":true},
        "subdued":{"command":"true","interval":1,"standalone":true,
                   "subdue":{"days":{"all":[{"begin":"00:00","end":"23:59:59"}]}}},
        "extension":{"extension":"none","interval":1,"standalone":true}}}"#;
    let engine =
        Engine::new(settings(json), Surroundings::default(), None, Bounds::default(), Arc::new(|_| {}));
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (engine, stop) = (engine.clone(), stop.clone());
        async move { engine.run(stop).await }
    });
    let counts = engine.counts();
    until(|| counts.waiting() == 1).await;
    assert_eq!(engine.in_progress().len(), 2);
    until(|| counts.overlapped.load(Ordering::Relaxed) > 0 && counts.subdued.load(Ordering::Relaxed) > 0)
        .await;
    stop.cancel();
    running.await.expect("it ends");
    engine.finish().await;
    let results: u64 = counts.results.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    assert_eq!((counts.begun.load(Ordering::Relaxed), counts.waiting()), (results, 0));
    // Their times are less than a second apart.
    assert!(counts.most_late_seconds() >= 0.4, "{}", counts.most_late_seconds());
    assert!(counts.late_seconds() >= 0.4, "{}", counts.late_seconds());
}

#[tokio::test]
async fn what_is_due_at_a_reload_is_run() {
    // Due in about half a second, and then not for hours.
    let hours = Duration::from_secs(10 * 3600);
    // By the time of each look: to find one takes a while.
    let wait = |name: &String| splay::until_first("n1", name, hours, clock::now().timestamp_millis());
    let soon = |name: &String| (300..700).contains(&wait(name).as_millis());
    let name = (0..).map(|n: u32| format!("c{n}")).find(soon).expect("one of many");
    let json =
        format!(r#"{{"checks":{{"{name}":{{"command":"true","interval":36000,"standalone":true}}}}}}"#);
    let engine =
        Engine::new(settings(&json), Surroundings::default(), None, Bounds::default(), Arc::new(|_| {}));
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (engine, stop) = (engine.clone(), stop.clone());
        async move { engine.run(stop).await }
    });
    tokio::task::yield_now().await;
    // Reading the definitions holds the thread up, and the time of the check goes by.
    let read = settings(&json);
    std::thread::sleep(Duration::from_secs(1));
    engine.replace(read);
    until(|| engine.counts().begun.load(Ordering::Relaxed) == 1).await;
    stop.cancel();
    running.await.expect("it ends");
    engine.finish().await;
    assert_eq!(engine.counts().begun.load(Ordering::Relaxed), 1);
}
