use super::*;
use crate::serve::skeleton::http::{Extension, get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Long enough for a busy machine; every wait ends as soon as its condition holds.
const SOON: Duration = Duration::from_secs(30);

/// A running service, where it listens, and how it is ended.
struct Running {
    at: Vec<SocketAddr>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(router: Router, limits: Limits, doors: u8) -> Running {
    let (mut listeners, mut at) = (Vec::new(), Vec::new());
    for number in 1..=doors {
        let listener = TcpListener::bind((std::net::Ipv4Addr::new(127, 0, 0, number), 0)).await.unwrap();
        at.push(listener.local_addr().unwrap());
        listeners.push(listener);
    }
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listeners, router, limits, stop.clone()));
    Running { at, stop, task }
}

async fn ask(at: SocketAddr, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Reads until the server closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .expect("the connection is closed")
        .unwrap();
    answer
}

const ONE_REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_handler_is_told_which_address_was_asked() {
    let router = Router::new().route("/", get(async |Extension(LocalAddress(to))| to.to_string()));
    let running = start(router, Limits::default(), 2).await;
    for at in &running.at {
        assert!(rest(ask(*at, ONE_REQUEST).await).await.ends_with(&at.to_string()));
    }
}

#[tokio::test]
async fn a_running_request_is_finished_and_no_new_one_taken() {
    let (entered, has_entered) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let once = Arc::new(std::sync::Mutex::new(Some((entered, released))));
    let router = Router::new().route(
        "/",
        get(move || async move {
            let (entered, released) = once.lock().unwrap().take().unwrap();
            entered.send(()).unwrap();
            released.await.unwrap();
            "finished"
        }),
    );
    let running = start(router, Limits { grace: SOON, ..Limits::default() }, 1).await;
    let stream = ask(running.at[0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    has_entered.await.unwrap();
    running.stop.cancel();
    while TcpStream::connect(running.at[0]).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!running.task.is_finished());
    release.send(()).unwrap();
    assert!(rest(stream).await.ends_with("finished"));
    tokio::time::timeout(SOON, running.task).await.expect("the service ends").unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up_after_the_grace() {
    let entered = Arc::new(tokio::sync::Notify::new());
    let inside = entered.clone();
    let never = move || async move {
        inside.notify_one();
        std::future::pending::<()>().await;
    };
    let router = Router::new().route("/", get(never));
    let running = start(router, Limits { grace: Duration::from_millis(50), ..Limits::default() }, 1).await;
    let _stream = ask(running.at[0], ONE_REQUEST).await;
    entered.notified().await;
    running.stop.cancel();
    tokio::time::timeout(SOON, running.task).await.expect("the service ends").unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_cut_off() {
    let limits = Limits { head: Duration::from_millis(50), ..Limits::default() };
    let running = start(Router::new(), limits, 1).await;
    assert!(!rest(ask(running.at[0], "GET / HTTP/1.1\r\nHost:").await).await.contains("200"));
}

/// Takes an answer by drops for a while, then all that is left, and returns how much that is.
async fn taken_by_drops(at: SocketAddr) -> usize {
    let mut stream = ask(at, ONE_REQUEST).await;
    let (mut taken, mut drop) = (0, [0; 512]);
    for _ in 0..80 {
        taken += stream.read(&mut drop).await.unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut rest = Vec::new();
    // A connection that is reset has brought something before.
    let _ =
        tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("the connection is closed");
    taken + rest.len()
}

#[tokio::test]
async fn a_client_that_takes_its_answer_by_drops_is_cut_off() {
    const SIZE: usize = 32 << 20;
    for (request, whole) in [(Some(Duration::from_millis(200)), false), (Some(SOON), true), (None, true)] {
        let router = Router::new().route("/", get(async || "x".repeat(SIZE)));
        let running = start(router, Limits { request, ..Limits::default() }, 1).await;
        assert_eq!(taken_by_drops(running.at[0]).await > SIZE, whole, "{request:?}");
    }
}

#[tokio::test]
async fn one_connection_more_than_allowed_waits_for_its_turn() {
    let router = Router::new().route("/", get(async || "served"));
    let running = start(router, Limits { connections: 1, ..Limits::default() }, 1).await;
    let idle = ask(running.at[0], "").await;
    let waiting = tokio::spawn(rest(ask(running.at[0], ONE_REQUEST).await));
    let early = tokio::time::timeout(Duration::from_millis(100), async {
        while !waiting.is_finished() {
            tokio::task::yield_now().await
        }
    });
    assert!(early.await.is_err(), "served beside the one connection that is allowed");
    drop(idle);
    assert!(waiting.await.unwrap().ends_with("served"));
}

#[tokio::test]
async fn a_connection_is_closed_after_each_answer_where_they_are_not_kept() {
    let router = Router::new().route("/", get(async || "served"));
    let running = start(router, Limits { keep_alive: false, ..Limits::default() }, 1).await;
    assert!(rest(ask(running.at[0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await).await.ends_with("served"));
}

const KEPT_REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Reads one answer of a connection that stays open.
async fn answer(stream: &mut TcpStream, ends_with: &str) {
    let mut text = Vec::new();
    while !text.ends_with(ends_with.as_bytes()) {
        let read = tokio::time::timeout(SOON, stream.read_buf(&mut text)).await.expect("answered").unwrap();
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&text));
    }
}

#[tokio::test]
async fn a_connection_may_rest_longer_than_a_head_may_take() {
    let router = Router::new().route("/", get(async || "served"));
    let limits = Limits { head: Duration::from_millis(50), idle: SOON, ..Limits::default() };
    let running = start(router, limits, 1).await;
    let mut stream = ask(running.at[0], KEPT_REQUEST).await;
    answer(&mut stream, "served").await;
    let closed = tokio::time::timeout(Duration::from_millis(300), stream.read_u8()).await;
    assert!(closed.is_err(), "it was closed while it rested");
    stream.write_all(KEPT_REQUEST.as_bytes()).await.unwrap();
    answer(&mut stream, "served").await;
    // The head of a later request has the same time as that of the first.
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let router = Router::new().route("/", get(async || "served"));
    let limits = Limits { head: SOON, idle: Duration::from_millis(50), ..Limits::default() };
    let running = start(router, limits, 1).await;
    let mut stream = ask(running.at[0], KEPT_REQUEST).await;
    answer(&mut stream, "served").await;
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn one_that_rests_makes_room_for_one_that_waits() {
    let router = Router::new().route("/", get(async || "served"));
    let running = start(router, Limits { connections: 2, ..Limits::default() }, 1).await;
    let mut resting = ask(running.at[0], KEPT_REQUEST).await;
    answer(&mut resting, "served").await;
    // The last slot is taken by one that has not asked yet; the next finds none.
    let _silent = ask(running.at[0], "").await;
    assert!(rest(ask(running.at[0], ONE_REQUEST).await).await.ends_with("served"));
    assert_eq!(rest(resting).await, "");
}

#[tokio::test]
async fn one_that_drips_its_head_has_no_more_time_than_others() {
    let limits = Limits { head: Duration::from_millis(100), idle: SOON, ..Limits::default() };
    let running = start(Router::new(), limits, 1).await;
    let (mut read, mut write) = ask(running.at[0], "GET / HTTP/1.1\r\n").await.into_split();
    let dripping = tokio::spawn(async move {
        while write.write_all(b"X-A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut answer = Vec::new();
    // A reset is an end, too: what was dripped last is not read any more.
    let ended = tokio::time::timeout(SOON, read.read_to_end(&mut answer)).await;
    assert!(ended.is_ok() && answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
    dripping.await.unwrap();
}

#[tokio::test]
async fn connections_on_which_nothing_was_asked_do_not_delay_the_end() {
    let running = start(Router::new(), Limits { head: SOON, grace: SOON, ..Limits::default() }, 1).await;
    let silent = ask(running.at[0], "").await;
    // The accepted one is known to be there once a second one has been answered.
    assert!(rest(ask(running.at[0], ONE_REQUEST).await).await.contains("404"));
    running.stop.cancel();
    tokio::time::timeout(SOON / 2, running.task).await.expect("the service ends").unwrap();
    assert_eq!(rest(silent).await, "");
}
