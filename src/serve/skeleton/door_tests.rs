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
